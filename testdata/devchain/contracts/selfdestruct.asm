; Sends all it has to the address in the first word, and destroys itself where the fork lets it.
PUSH1 0 CALLDATALOAD SELFDESTRUCT
