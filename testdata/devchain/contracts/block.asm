; Keeps what the block says, from slot 0 on: the parent's hash, beneficiary, time, number,
; difficulty (or randomness), gas limit, gas price, origin.
PUSH1 1 NUMBER SUB BLOCKHASH PUSH1 0 SSTORE
COINBASE PUSH1 1 SSTORE
TIMESTAMP PUSH1 2 SSTORE
NUMBER PUSH1 3 SSTORE
DIFFICULTY PUSH1 4 SSTORE
GASLIMIT PUSH1 5 SSTORE
GASPRICE PUSH1 6 SSTORE
ORIGIN PUSH1 7 SSTORE
STOP
