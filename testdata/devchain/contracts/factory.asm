; Creates a contract. Input: a word, then init code. CREATE if the word is zero, else CREATE2 with
; it as salt. Counts in slot 0 and keeps the new address (zero if it failed) in slot count.
PUSH1 32 CALLDATASIZE SUB            ; size
DUP1 PUSH1 32 PUSH1 0 CALLDATACOPY   ; size
PUSH1 0 CALLDATALOAD                 ; salt size
DUP1 @create2 JUMPI
POP PUSH1 0 CALLVALUE CREATE         ; address
@store JUMP
create2:
SWAP1 PUSH1 0 CALLVALUE CREATE2      ; address
store:
PUSH1 0 SLOAD PUSH1 1 ADD            ; count address
DUP1 PUSH1 0 SSTORE SSTORE STOP
