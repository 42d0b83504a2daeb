// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

interface IToken {
    function transfer(address to, uint256 value) external returns (bool);
    function transferFrom(address from, address to, uint256 value) external returns (bool);
}

/// A market of two tokens: the product of its reserves never shrinks. Takes 0.3 %.
contract Pair {
    IToken public tokenA;
    IToken public tokenB;
    uint256 public reserveA;
    uint256 public reserveB;
    uint256 public totalShares;
    mapping(address => uint256) public shares;

    event Swap(address indexed trader, bool aToB, uint256 amountIn, uint256 amountOut);
    event Liquidity(address indexed provider, uint256 amountA, uint256 amountB, uint256 shares);

    constructor(IToken a, IToken b) {
        tokenA = a;
        tokenB = b;
    }

    function addLiquidity(uint256 amountA, uint256 amountB) external returns (uint256 minted) {
        tokenA.transferFrom(msg.sender, address(this), amountA);
        tokenB.transferFrom(msg.sender, address(this), amountB);
        minted = totalShares == 0 ? amountA : (amountA * totalShares) / reserveA;
        shares[msg.sender] += minted;
        totalShares += minted;
        reserveA += amountA;
        reserveB += amountB;
        emit Liquidity(msg.sender, amountA, amountB, minted);
    }

    function swap(bool aToB, uint256 amountIn, uint256 minOut) external returns (uint256 out) {
        (uint256 from, uint256 to) = aToB ? (reserveA, reserveB) : (reserveB, reserveA);
        uint256 afterFee = amountIn * 997;
        out = (afterFee * to) / (from * 1000 + afterFee);
        require(out >= minOut, "price");
        (IToken tokenIn, IToken tokenOut) = aToB ? (tokenA, tokenB) : (tokenB, tokenA);
        tokenIn.transferFrom(msg.sender, address(this), amountIn);
        tokenOut.transfer(msg.sender, out);
        if (aToB) {
            reserveA += amountIn;
            reserveB -= out;
        } else {
            reserveB += amountIn;
            reserveA -= out;
        }
        emit Swap(msg.sender, aToB, amountIn, out);
    }
}
