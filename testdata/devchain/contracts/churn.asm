; Churns storage. Input: three words: first slot, how many, value. Writes the value (0 clears) to
; every slot, adding the slot's number to it unless it is zero.
PUSH1 0 CALLDATALOAD                 ; slot
DUP1 PUSH1 32 CALLDATALOAD ADD SWAP1 ; slot end
loop:
DUP2 DUP2 LT ISZERO @end JUMPI       ; slot end
PUSH1 64 CALLDATALOAD                ; value slot end
DUP1 ISZERO @write JUMPI
DUP2 ADD
write:
DUP2 SSTORE                          ; slot end
PUSH1 1 ADD @loop JUMP
end:
STOP
