; Stands for the deposit contract: logs the input as its DepositEvent, which EIP-6110 reads.
CALLDATASIZE PUSH1 0 PUSH1 0 CALLDATACOPY
PUSH32 0x649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5
CALLDATASIZE PUSH1 0 LOG1
STOP
