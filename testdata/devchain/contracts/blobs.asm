; Keeps the transaction's first three blob hashes (zero where there is none) and the blob base fee.
PUSH1 0 BLOBHASH PUSH1 0 SSTORE
PUSH1 1 BLOBHASH PUSH1 1 SSTORE
PUSH1 2 BLOBHASH PUSH1 2 SSTORE
BLOBBASEFEE PUSH1 3 SSTORE
STOP
