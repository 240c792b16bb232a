// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Attestation, IEasResolver} from "./interfaces/IEas.sol";
import {IEnclaveRegistry} from "./interfaces/IEnclaveRegistry.sol";
import {Timestamp} from "./libraries/Clock.sol";

/// @title What EAS asks about receipts of enclave keys
/// @notice Only `EnclaveRegistry` attests under the schema, so whoever reads a receipt needs to know the schema's id and nothing else. Only the
///         registry revokes, for EAS lets nobody but the attester. `data` is encoded as `SCHEMA` says, the recipient is the enclave key; `facts`:
///         assurance (bits 0 to 7), GPUs (8 to 15), TCB status (16 to 23), a development deployment (24), TCB evaluation number (32 to 63).
contract TeeResolver is IEasResolver {
    /// @notice Only EAS asks.
    error NotEas(address caller);

    /// @notice To be registered with this resolver, revocable.
    string public constant SCHEMA =
        "address executor,bytes32 encryptionKeyHash,bytes32 policyId,bytes32 cpuMeasurement,bytes32 gpuRoot,bytes32 evidenceHash,uint256 facts";
    /// @inheritdoc IEasResolver
    string public constant version = "1.0.0";

    address public immutable EAS;
    /// @notice The only attester.
    IEnclaveRegistry public immutable REGISTRY;

    constructor(address eas, IEnclaveRegistry registry) {
        (EAS, REGISTRY) = (eas, registry);
    }

    /// @inheritdoc IEasResolver
    function attest(Attestation calldata attestation) external payable returns (bool) {
        _onlyEas();
        return _isReceipt(attestation);
    }

    /// @inheritdoc IEasResolver
    function multiAttest(Attestation[] calldata list, uint256[] calldata) external payable returns (bool) {
        _onlyEas();
        for (uint256 k; k < list.length; ++k) {
            if (!_isReceipt(list[k])) return false;
        }
        return true;
    }

    /// @inheritdoc IEasResolver
    function revoke(Attestation calldata) external payable returns (bool) {
        _onlyEas();
        return true;
    }

    /// @inheritdoc IEasResolver
    function multiRevoke(Attestation[] calldata, uint256[] calldata) external payable returns (bool) {
        _onlyEas();
        return true;
    }

    /// @inheritdoc IEasResolver
    function isPayable() external pure returns (bool) {
        return false;
    }

    /// @dev INVARIANT: a receipt is the registry's, of a key that it has, and ends with the key.
    function _isReceipt(Attestation calldata a) private view returns (bool) {
        if (a.attester != address(REGISTRY)) return false;
        IEnclaveRegistry.Enclave memory enclave = REGISTRY.enclaveOf(a.recipient);
        return a.expirationTime == Timestamp.unwrap(enclave.expiresAt) && a.expirationTime > block.timestamp
            && !enclave.revokedAt.isSet();
    }

    function _onlyEas() private view {
        if (msg.sender != EAS) revert NotEas(msg.sender);
    }
}
