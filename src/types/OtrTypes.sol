// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @dev keccak256 EIP-712 digest of a `Receipt`.
type ReceiptHash is bytes32;
/// @dev keccak256 EIP-712 digest of a `Request`.
type RequestHash is bytes32;
/// @dev Commitment to everything that fixes a model's behaviour (docs/protocol.md, section 1).
type ModelId is bytes32;

/// @notice What a requester asks for. Field meanings: docs/protocol.md, section 2.
struct Request {
    address requester;
    ModelId modelId;
    bytes32 inputRoot;
    uint32 nIn;
    uint32 maxOut;
    uint32[] stopTokens;
    uint8 sampler;
    uint32 temperature;
    bytes32 seed;
    uint64 nonce;
    uint64 deadline;
    bool confidential;
    address[] watchers;
}

/// @notice What an executor answers for. Field meanings: docs/protocol.md, section 2.
struct Receipt {
    uint32 machineVersion;
    ModelId modelId;
    address executor;
    address enclaveKey;
    uint64 seq;
    uint64 commitBy;
    uint64 expiry;
    RequestHash requestHash;
    bytes32 inputRoot;
    uint32 nIn;
    bytes32 outputRoot;
    uint32 nOut;
    uint8 stopReason;
    bytes32 traceRoot;
}

/// @notice What `modelId` commits to.
struct ModelManifest {
    uint32 machineVersion;
    bytes32 programRoot;
    bytes32 weightsRoot;
    bytes32 weightsRootP;
    bytes32 tokenizerHash;
    bytes32 chatTemplateHash;
    bytes32 tokenBytesRoot;
    uint32 instructions;
    uint32 weightRows;
    uint32 cacheRows;
    uint32 contextLength;
    uint32 vocabSize;
}
