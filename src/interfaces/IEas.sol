// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @notice One attestation, as EAS keeps it and shows it to resolvers.
/// @param uid Its id; `schema` is its schema's.
/// @param time Seconds since 1970, as `expirationTime` and `revocationTime` (zero: never).
/// @param data ABI encoding that the schema describes.
struct Attestation {
    bytes32 uid;
    bytes32 schema;
    uint64 time;
    uint64 expirationTime;
    uint64 revocationTime;
    bytes32 refUID;
    address recipient;
    address attester;
    bool revocable;
    bytes data;
}

/// @title The part of the Ethereum Attestation Service (EAS 1.x) that is used here
interface IEas {
    struct AttestationRequestData {
        address recipient;
        uint64 expirationTime;
        bool revocable;
        bytes32 refUID;
        bytes data;
        uint256 value;
    }

    struct AttestationRequest {
        bytes32 schema;
        AttestationRequestData data;
    }

    struct RevocationRequestData {
        bytes32 uid;
        uint256 value;
    }

    struct RevocationRequest {
        bytes32 schema;
        RevocationRequestData data;
    }

    /// @notice Attests, and returns the attestation's id.
    function attest(AttestationRequest calldata request) external payable returns (bytes32);

    /// @notice Revokes an attestation of the caller's.
    function revoke(RevocationRequest calldata request) external payable;

    /// @notice Where schemas are.
    function getSchemaRegistry() external view returns (IEasSchemas);
}

/// @title Schemas of EAS
interface IEasSchemas {
    struct Schema {
        bytes32 uid;
        address resolver;
        bool revocable;
        string schema;
    }

    /// @notice Registers a schema, and returns its id.
    function register(string calldata schema, address resolver, bool revocable) external returns (bytes32);

    /// @notice A schema; all zero if there is none.
    function getSchema(bytes32 uid) external view returns (Schema memory);
}

/// @title What EAS asks about attestations of a schema
interface IEasResolver {
    function isPayable() external pure returns (bool);
    function attest(Attestation calldata attestation) external payable returns (bool);
    function multiAttest(Attestation[] calldata attestations, uint256[] calldata values) external payable returns (bool);
    function revoke(Attestation calldata attestation) external payable returns (bool);
    function multiRevoke(Attestation[] calldata attestations, uint256[] calldata values) external payable returns (bool);
    function version() external view returns (string memory);
}
