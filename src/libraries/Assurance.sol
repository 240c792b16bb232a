// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title How good the evidence of an enclave is
/// @notice A proof is as good as its weakest part. Policies demand a minimum; whoever relies on a key caps what it covers by this.
library Assurance {
    /// @notice A key, a multi-signature wallet or nobody known vouches: no hardware is proved.
    uint8 internal constant GOVERNANCE = 0;
    /// @notice A registered enclave has verified the hardware's evidence, and signs that it did.
    uint8 internal constant VERIFIER_ENCLAVE = 1;
    /// @notice The CPU's evidence was verified by a contract; its GPUs', if any, elsewhere.
    uint8 internal constant CPU_ON_CHAIN = 2;
    /// @notice The evidence of CPU and GPUs was verified by contracts.
    uint8 internal constant ON_CHAIN = 3;

    /// @notice Of evidence of this kind for a CPU. Kinds that nothing is known of count as nothing: new ones come with new code.
    /// @return isCpu False for kinds of evidence for GPUs only.
    function ofCpu(bytes32 kind) internal pure returns (bool isCpu, uint8 assurance) {
        if (kind == "TDX_DCAP" || kind == "SGX_DCAP" || kind == "SEV_SNP") return (true, ON_CHAIN);
        if (kind == "VERIFIER_ENCLAVE") return (true, VERIFIER_ENCLAVE);
        // INVARIANT: a GPU signs whatever nonce its host asks for, so its report stands for no measured code.
        return (kind != "NV_SPDM", GOVERNANCE);
    }

    /// @notice Of evidence of this kind for a GPU, beside a CPU's of any kind.
    /// @return isGpu False for kinds of evidence for CPUs only, and for unknown ones.
    function ofGpu(bytes32 kind) internal pure returns (bool isGpu, uint8 assurance) {
        if (kind == "NV_SPDM") return (true, ON_CHAIN);
        if (kind == "VERIFIER_ENCLAVE") return (true, CPU_ON_CHAIN);
        return (kind == "GOVERNANCE", GOVERNANCE);
    }
}
