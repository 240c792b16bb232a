// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Receipt, ReceiptHash, Request, RequestHash} from "../types/OtrTypes.sol";

/// @title EIP-712 digests of requests and receipts (docs/protocol.md, section 2)
library ReceiptLib {
    bytes32 internal constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 internal constant NAME = keccak256("OTR");
    bytes32 internal constant VERSION = keccak256("1");
    bytes32 internal constant REQUEST_TYPE = keccak256(
        "Request(address requester,bytes32 modelId,bytes32 inputRoot,uint32 nIn,uint32 maxOut,uint32[] stopTokens,uint8 sampler,uint32 temperature,bytes32 seed,uint64 nonce,uint64 deadline,bool confidential,address[] watchers)"
    );
    bytes32 internal constant RECEIPT_TYPE = keccak256(
        "Receipt(uint32 machineVersion,bytes32 modelId,address executor,address enclaveKey,uint64 seq,uint64 commitBy,uint64 expiry,bytes32 requestHash,bytes32 inputRoot,uint32 nIn,bytes32 outputRoot,uint32 nOut,uint8 stopReason,bytes32 traceRoot)"
    );

    /// @notice Domain separator of the rollup at `rollup` on this chain.
    function domainSeparator(address rollup) internal view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPE, NAME, VERSION, block.chainid, rollup));
    }

    /// @notice Digest of a receipt: what enclave key and operator sign, and the leaf of a batch.
    function hash(Receipt calldata receipt, address rollup) internal view returns (ReceiptHash) {
        bytes32 typeHash = RECEIPT_TYPE;
        bytes32 structHash;
        // SAFETY: a struct of fourteen static fields lies in calldata as `abi.encode` writes it. Memory beyond the free pointer is
        // scratch.
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore(buffer, typeHash)
            calldatacopy(add(buffer, 0x20), receipt, 0x1c0)
            // INVARIANT: a receipt has one encoding. Bits outside a field's type are refused here as Solidity refuses them where it reads
            // the field, else a receipt could be final that no game can open.
            let words := add(buffer, 0x20)
            let dirty := shr(32, or(or(mload(words), mload(add(words, 0x120))), mload(add(words, 0x160))))
            dirty := or(dirty, shr(160, or(mload(add(words, 0x40)), mload(add(words, 0x60)))))
            dirty := or(
                dirty,
                shr(64, or(or(mload(add(words, 0x80)), mload(add(words, 0xa0))), mload(add(words, 0xc0))))
            )
            if or(dirty, shr(8, mload(add(words, 0x180)))) { revert(0, 0) }
            structHash := keccak256(buffer, 0x1e0)
        }
        return ReceiptHash.wrap(digest(domainSeparator(rollup), structHash));
    }

    /// @notice Digest of a request.
    function hash(Request calldata request, address rollup) internal view returns (RequestHash) {
        bytes32 typeHash = REQUEST_TYPE;
        uint32[] calldata stopTokens = request.stopTokens;
        address[] calldata watchers = request.watchers;
        bytes32 structHash;
        // SAFETY: as above for the eleven static fields; the two arrays' places (words 6 and 13) get the hash of their elements, which
        // lie in calldata as EIP-712 encodes them, 32 bytes each, within bounds that Solidity has checked.
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            // INVARIANT: a request has one encoding too, else a receipt could be about a request that no proof can show.
            let dirty := 0
            let size := mul(stopTokens.length, 0x20)
            calldatacopy(buffer, stopTokens.offset, size)
            let stopTokensHash := keccak256(buffer, size)
            for { let i := 0 } lt(i, size) { i := add(i, 0x20) } { dirty := or(dirty, mload(add(buffer, i))) }
            dirty := shr(32, dirty)
            size := mul(watchers.length, 0x20)
            calldatacopy(buffer, watchers.offset, size)
            let watchersHash := keccak256(buffer, size)
            for { let i := 0 } lt(i, size) { i := add(i, 0x20) } { dirty := or(dirty, shr(160, mload(add(buffer, i)))) }
            mstore(buffer, typeHash)
            let words := add(buffer, 0x20)
            calldatacopy(words, request, 0x1a0)
            dirty := or(dirty, shr(160, mload(words)))
            dirty := or(
                dirty,
                shr(32, or(or(mload(add(words, 0x60)), mload(add(words, 0x80))), mload(add(words, 0xe0))))
            )
            dirty := or(dirty, shr(8, mload(add(words, 0xc0))))
            dirty := or(dirty, shr(64, or(mload(add(words, 0x120)), mload(add(words, 0x140)))))
            if or(dirty, shr(1, mload(add(words, 0x160)))) { revert(0, 0) }
            mstore(add(buffer, 0xc0), stopTokensHash)
            mstore(add(buffer, 0x1a0), watchersHash)
            structHash := keccak256(buffer, 0x1c0)
        }
        return RequestHash.wrap(digest(domainSeparator(rollup), structHash));
    }

    /// @notice Digest of a request that lies in memory.
    function hashInMemory(Request memory request, address rollup) internal view returns (RequestHash) {
        bytes memory head = abi.encode(
            REQUEST_TYPE,
            request.requester,
            request.modelId,
            request.inputRoot,
            request.nIn,
            request.maxOut,
            keccak256(abi.encodePacked(request.stopTokens))
        );
        bytes memory tail = abi.encode(
            request.sampler,
            request.temperature,
            request.seed,
            request.nonce,
            request.deadline,
            request.confidential,
            keccak256(abi.encodePacked(request.watchers))
        );
        return RequestHash.wrap(digest(domainSeparator(rollup), keccak256(bytes.concat(head, tail))));
    }

    /// @notice `keccak256(0x1901 ‖ domain ‖ structHash)`.
    function digest(bytes32 domain, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    /// @notice Number of steps that the receipt's trace commits to.
    /// @dev For `nIn, nOut >= 1`, which the rollup requires of every receipt that can stand.
    function steps(Receipt calldata receipt) internal pure returns (uint32) {
        return receipt.nIn + receipt.nOut - 1;
    }
}
