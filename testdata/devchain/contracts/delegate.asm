; What an account runs that has delegated to this: keeps its caller in slot 0, counts in slot 1,
; and logs its own address.
CALLER PUSH1 0 SSTORE
PUSH1 1 SLOAD PUSH1 1 ADD PUSH1 1 SSTORE
ADDRESS PUSH1 0 MSTORE PUSH1 32 PUSH1 0 LOG0
STOP
