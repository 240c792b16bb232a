// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Domain tags of every hash (docs/protocol.md, section 1)
library Tags {
    bytes32 internal constant WEIGHTS = keccak256("OTR/weights/1");
    bytes32 internal constant PROGRAM = keccak256("OTR/program/1");
    bytes32 internal constant INSTRUCTION = keccak256("OTR/instruction/1");
    bytes32 internal constant INPUT = keccak256("OTR/input/1");
    bytes32 internal constant OUTPUT = keccak256("OTR/output/1");
    bytes32 internal constant TOKEN = keccak256("OTR/token/1");
    bytes32 internal constant TRACE = keccak256("OTR/trace/1");
    bytes32 internal constant RECORD = keccak256("OTR/record/1");
    bytes32 internal constant CACHE = keccak256("OTR/cache/1");
    bytes32 internal constant ROW = keccak256("OTR/row/1");
    bytes32 internal constant BATCH = keccak256("OTR/batch/1");
    bytes32 internal constant TOKEN_BYTES = keccak256("OTR/token-bytes/1");
    bytes32 internal constant SALT_KEY = keccak256("OTR/salt-key/1");
    bytes32 internal constant SALT = keccak256("OTR/salt/1");
    bytes32 internal constant SECRET = keccak256("OTR/secret/1");
    bytes32 internal constant MODEL = keccak256("OTR/model/1");
    bytes32 internal constant STATES = keccak256("OTR/states/1");
}
