; A lock in transient storage. Called from outside it takes the lock, calls itself (which the lock
; stops: 0 in slot 0), lets go and counts in slot 1.
PUSH1 0 TLOAD @locked JUMPI
PUSH1 1 PUSH1 0 TSTORE
PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 ADDRESS PUSH2 2 GAS DIV CALL
PUSH1 0 SSTORE
PUSH1 0 PUSH1 0 TSTORE
PUSH1 1 SLOAD PUSH1 1 ADD PUSH1 1 SSTORE
STOP
locked:
PUSH1 0 PUSH1 0 REVERT
