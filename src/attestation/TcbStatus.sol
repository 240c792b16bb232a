// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title What Intel says of a platform's, a module's or an enclave's security version
/// @notice A set of reasons to distrust it: none is "UpToDate". So what several parts have is the union of what each has.
library TcbStatus {
    /// @notice No status that Intel's documents know.
    error TcbStatusUnknown(bytes status);

    /// @notice "UpToDate", and the reasons: "SWHardeningNeeded", "ConfigurationNeeded", "OutOfDate", "Revoked".
    uint8 internal constant UP_TO_DATE = 0;
    uint8 internal constant SW_HARDENING = 1;
    uint8 internal constant CONFIGURATION = 2;
    uint8 internal constant OUT_OF_DATE = 4;
    uint8 internal constant REVOKED = 8;

    /// @notice The set that a status in TCB info or an enclave's identity stands for.
    function parse(bytes calldata status) internal pure returns (uint8) {
        bytes32 hash = keccak256(status);
        if (hash == keccak256("UpToDate")) return UP_TO_DATE;
        if (hash == keccak256("SWHardeningNeeded")) return SW_HARDENING;
        if (hash == keccak256("ConfigurationNeeded")) return CONFIGURATION;
        if (hash == keccak256("ConfigurationAndSWHardeningNeeded")) return CONFIGURATION | SW_HARDENING;
        if (hash == keccak256("OutOfDate")) return OUT_OF_DATE;
        if (hash == keccak256("OutOfDateConfigurationNeeded")) return OUT_OF_DATE | CONFIGURATION;
        if (hash == keccak256("Revoked")) return REVOKED;
        revert TcbStatusUnknown(status);
    }
}
