// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title TST, the access token
/// @notice A fixed supply of 1,000,000 with 18 decimals, all of it put into the vault's custody at deployment. Holders
/// cannot send or approve; tokens move between custodians, and into and out of their custody, by the custodians alone.
/// @dev Invariant T1: the supply never changes. There is no mint, no burn, no owner and no role.
/// Invariant T2: only a custodian moves tokens, and what it takes from an account it takes into custody.
contract TST is ERC20 {
    /// @notice The whole supply in base units.
    uint256 public constant SUPPLY = 1_000_000 * 10 ** 18;

    /// @notice Holders do not transfer this token.
    error TransferDisabled(address sender);
    /// @notice Holders do not approve anyone for this token.
    error ApprovalDisabled(address owner, address spender);
    /// @notice Only a custodian takes tokens from an account.
    error NotCustodian(address caller);
    /// @notice Tokens taken from an account go to a custodian, never to another account.
    error NotIntoCustody(address recipient);
    /// @notice A custodian is missing or named twice.
    error BadCustodian(address custodian);

    /// @notice The vault, which received the whole supply.
    address public immutable vault;
    /// @notice The custodian of locks.
    address public immutable escrow;
    /// @notice The custodian of stakes.
    address public immutable staking;
    /// @notice The custodian of compute reservations.
    address public immutable reserve;

    /// @param vault_ Receives the whole supply.
    /// @param escrow_ Custodian of locks.
    /// @param staking_ Custodian of stakes.
    /// @param reserve_ Custodian of compute.
    constructor(address vault_, address escrow_, address staking_, address reserve_) ERC20("TST Access Token", "TST") {
        if (vault_ == address(0)) revert BadCustodian(vault_);
        if (escrow_ == address(0) || escrow_ == vault_) revert BadCustodian(escrow_);
        if (staking_ == address(0) || staking_ == vault_ || staking_ == escrow_) revert BadCustodian(staking_);
        if (reserve_ == address(0) || reserve_ == vault_ || reserve_ == escrow_ || reserve_ == staking_) {
            revert BadCustodian(reserve_);
        }
        vault = vault_;
        escrow = escrow_;
        staking = staking_;
        reserve = reserve_;
        _mint(vault_, SUPPLY);
    }

    /// @notice Whether the account is one of the four custodians.
    function isCustodian(address account) public view returns (bool) {
        return account == vault || account == escrow || account == staking || account == reserve;
    }

    /// @notice What an account holds outside custody, in base units: what it can enter the book with.
    function getAvailableBalance(address account) external view returns (uint256) {
        return balanceOf(account);
    }

    /// @notice Sends the caller's tokens; custodians only.
    function transfer(address to, uint256 amount) public override returns (bool) {
        if (!isCustodian(msg.sender)) revert TransferDisabled(msg.sender);
        _transfer(msg.sender, to, amount);
        return true;
    }

    /// @notice Takes an account's tokens into custody, without an allowance; custodians only.
    /// @dev A custodian calls this for its own `msg.sender` in an entry call, and for nobody else.
    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        if (!isCustodian(msg.sender)) revert NotCustodian(msg.sender);
        if (!isCustodian(to)) revert NotIntoCustody(to);
        _transfer(from, to, amount);
        return true;
    }

    /// @notice Always reverts.
    /// @dev Virtual so that the compiler lets it be what ERC-20 says and wallets expect: a transaction, not a view.
    function approve(address spender, uint256) public virtual override returns (bool) {
        revert ApprovalDisabled(msg.sender, spender);
    }
}
