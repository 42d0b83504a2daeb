; Calls the address in the first word with what follows it. Slot 0: whether that succeeded. Slot 1:
; the hash of the first 256 bytes of output.
PUSH1 32 CALLDATASIZE SUB            ; size
DUP1 PUSH1 32 PUSH1 0 CALLDATACOPY   ; size
PUSH2 256 SWAP1                      ; size outsize
PUSH2 0x1000 SWAP1                   ; size out outsize
PUSH1 0 PUSH1 0                      ; value in size out outsize
PUSH1 0 CALLDATALOAD                 ; address value in size out outsize
PUSH2 2 GAS DIV CALL                 ; success
PUSH1 0 SSTORE
PUSH2 256 PUSH2 0x1000 KECCAK256 PUSH1 1 SSTORE
STOP
