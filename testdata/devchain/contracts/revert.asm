; Nested reverts. Called with a word n: writes n to slot 0 of itself, then calls itself with n - 1,
; and reverts if n is odd. So of n + 1 frames every second one takes back what is below it.
; Before Byzantium there is no REVERT, and an odd frame ends with all its gas gone.
PUSH1 0 CALLDATALOAD                 ; n
DUP1 PUSH1 0 SSTORE
DUP1 DUP1 SSTORE
DUP1 PUSH1 0 MSTORE
PUSH1 32 PUSH1 0 LOG0
DUP1 ISZERO @end JUMPI
PUSH1 1 DUP2 SUB PUSH1 0 MSTORE
PUSH1 0 PUSH1 0 PUSH1 32 PUSH1 0 PUSH1 0 ADDRESS PUSH2 4 GAS DIV PUSH2 3 MUL CALL
POP
DUP1 PUSH1 1 AND @odd JUMPI
end:
STOP
odd:
PUSH1 32 PUSH1 0 REVERT
