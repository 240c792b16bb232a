// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {CodeStore} from "./CodeStore.sol";
import {IntelCertificates} from "./IntelCertificates.sol";
import {QeIdentity} from "./QeIdentity.sol";
import {TcbEvaluation} from "./TcbEvaluation.sol";
import {TcbInfo} from "./TcbInfo.sol";

/// @title What Intel signs about the security versions of platforms, TDX modules and quoting enclaves
/// @notice Anyone submits Intel's JSON documents: TCB info, identities of quoting enclaves, and lists of TCB evaluation data numbers. What is
///         signed is the inner object as it was received, byte for byte. Documents replace older ones; nobody has any power here.
contract IntelCollateral {
    /// @notice The document was never submitted.
    error CollateralMissing(bytes32 id, bytes6 fmspc, uint256 tcbEval);
    /// @notice Intel should have replaced the document at this moment, seconds since 1970.
    error CollateralExpired(bytes32 id, uint256 tcbEval, uint256 nextUpdate);
    /// @notice The document is not newer than the one that is known.
    error CollateralNotNewer(bytes32 id, uint256 known, uint256 issueDate);
    /// @notice The document is issued in the future.
    error CollateralNotYetIssued(bytes32 id, uint256 issueDate);

    /// @notice A document is known. `tcbEval` and `fmspc` are 0 where the kind of document has none.
    event CollateralSubmitted(
        bytes32 indexed id, bytes6 indexed fmspc, uint256 indexed tcbEval, uint256 issueDate, uint256 nextUpdate
    );
    /// @notice Intel has announced a TCB recovery: verifiers will ask for documents with this number.
    event TcbRecoveryAnnounced(bytes32 indexed id, uint256 indexed tcbEval, uint256 date);

    /// @param table Holder of the signer's name and the document's table (see `CodeStore`).
    /// @param issueDate Seconds since 1970; likewise `nextUpdate`.
    struct Stored {
        address table;
        uint40 issueDate;
        uint40 nextUpdate;
    }

    /// @dev Bytes of the signer's name, before the table.
    uint256 private constant SIGNER = 32;

    /// @notice Knows who signs.
    IntelCertificates public immutable CERTIFICATES;

    /// @notice TCB info, by "TDX" or "SGX", platform, and TCB evaluation data number.
    mapping(bytes32 id => mapping(bytes6 fmspc => mapping(uint256 tcbEval => Stored))) public tcbInfoOf;
    /// @notice Identities of quoting enclaves, by "TD_QE" or "QE", and TCB evaluation data number.
    mapping(bytes32 id => mapping(uint256 tcbEval => Stored)) public qeIdentityOf;
    /// @notice TCB evaluation data numbers, by "TDX" or "SGX".
    mapping(bytes32 id => Stored) public evaluationOf;

    constructor(IntelCertificates certificates) {
        CERTIFICATES = certificates;
    }

    /// @notice Takes TCB info.
    /// @param json The object `tcbInfo`, as signed.
    /// @param signature r and s, 32 bytes each.
    /// @param signer Name of the signer's certificate.
    function submitTcbInfo(bytes calldata json, bytes calldata signature, bytes32 signer) external {
        CERTIFICATES.checkSigned(signer, sha256(json), signature);
        TcbInfo.Document memory d = TcbInfo.parse(json);
        _store(tcbInfoOf[d.id][d.fmspc][d.tcbEval], d, signer);
    }

    /// @notice Takes the identity of a quoting enclave: the object `enclaveIdentity`.
    function submitQeIdentity(bytes calldata json, bytes calldata signature, bytes32 signer) external {
        CERTIFICATES.checkSigned(signer, sha256(json), signature);
        TcbInfo.Document memory d = QeIdentity.parse(json);
        _store(qeIdentityOf[d.id][d.tcbEval], d, signer);
    }

    /// @notice Takes the list of TCB evaluation data numbers: the object `tcbEvaluationDataNumbers`.
    function submitTcbEvaluation(bytes calldata json, bytes calldata signature, bytes32 signer) external {
        CERTIFICATES.checkSigned(signer, sha256(json), signature);
        TcbInfo.Document memory d = TcbEvaluation.parse(json);
        _store(evaluationOf[d.id], d, signer);
        for (uint256 at; at < d.table.length; at += TcbEvaluation.ENTRY) {
            (uint256 number, uint256 date) = TcbEvaluation.entry(d.table, at);
            emit TcbRecoveryAnnounced(d.id, number, date);
        }
    }

    /// @notice What quotes are compared with: tables of TCB info and of the quoting enclave's identity. Reverts unless both are current and
    ///         their signers valid.
    /// @param id "TDX" or "SGX".
    /// @return tcbInfo See `TcbInfo`.
    /// @return qeIdentity See `QeIdentity`.
    /// @return issueDate Of the older one, seconds since 1970.
    /// @return notAfter Last second at which both are current.
    function tables(bytes32 id, bytes6 fmspc, uint256 tcbEval)
        external
        view
        returns (bytes memory tcbInfo, bytes memory qeIdentity, uint256 issueDate, uint256 notAfter)
    {
        Stored memory d = tcbInfoOf[id][fmspc][tcbEval];
        if (d.table == address(0)) revert CollateralMissing(id, fmspc, tcbEval);
        if (block.timestamp > d.nextUpdate) revert CollateralExpired(id, tcbEval, d.nextUpdate);
        (tcbInfo, notAfter) = _read(d);
        issueDate = d.issueDate;
        bytes32 enclave = id == TcbInfo.TDX ? QeIdentity.TD_QE : QeIdentity.QE;
        d = qeIdentityOf[enclave][tcbEval];
        if (d.table == address(0)) revert CollateralMissing(enclave, 0, tcbEval);
        if (block.timestamp > d.nextUpdate) revert CollateralExpired(enclave, tcbEval, d.nextUpdate);
        uint256 until;
        (qeIdentity, until) = _read(d);
        if (until < notAfter) notAfter = until;
        if (d.issueDate < issueDate) issueDate = d.issueDate;
    }

    /// @notice The table of the newest document with this number, stale or not; reverts if there is none or its signer is revoked.
    /// @param id "TDX" or "SGX" for TCB info, "TD_QE" or "QE" for a quoting enclave's identity, which is for all platforms.
    function newest(bytes32 id, bytes6 fmspc, uint256 tcbEval) external view returns (bytes memory table) {
        bool isIdentity = id == QeIdentity.TD_QE || id == QeIdentity.QE;
        Stored memory d = isIdentity ? qeIdentityOf[id][tcbEval] : tcbInfoOf[id][fmspc][tcbEval];
        if (d.table == address(0)) revert CollateralMissing(id, isIdentity ? bytes6(0) : fmspc, tcbEval);
        bytes32 signer;
        (signer, table) = _split(CodeStore.read(d.table));
        CERTIFICATES.checkSignerNotRevoked(signer);
    }

    /// @notice The newest list of TCB evaluation data numbers, stale or not, if its signer is valid; an empty table if there is none.
    /// @param id "TDX" or "SGX".
    /// @return table See `TcbEvaluation`.
    function evaluation(bytes32 id) external view returns (bytes memory table, uint256 issueDate, uint256 nextUpdate) {
        Stored memory d = evaluationOf[id];
        if (d.table == address(0)) return (table, 0, 0);
        (table,) = _read(d);
        return (table, d.issueDate, d.nextUpdate);
    }

    function _store(Stored storage known, TcbInfo.Document memory d, bytes32 signer) private {
        // INVARIANT: nobody brings back an older document.
        if (d.issueDate <= known.issueDate) revert CollateralNotNewer(d.id, known.issueDate, d.issueDate);
        if (d.issueDate > block.timestamp) revert CollateralNotYetIssued(d.id, d.issueDate);
        if (d.nextUpdate < block.timestamp) revert CollateralExpired(d.id, d.tcbEval, d.nextUpdate);
        known.table = CodeStore.write(bytes.concat(signer, d.table));
        known.issueDate = uint40(d.issueDate);
        known.nextUpdate = d.nextUpdate > type(uint40).max ? type(uint40).max : uint40(d.nextUpdate);
        emit CollateralSubmitted(d.id, d.fmspc, d.tcbEval, d.issueDate, d.nextUpdate);
    }

    /// @dev A document's table, and until when document and signer are valid.
    function _read(Stored memory d) private view returns (bytes memory table, uint256 notAfter) {
        (bytes32 signer, bytes memory table_) = _split(CodeStore.read(d.table));
        notAfter = CERTIFICATES.signerValidity(signer);
        if (d.nextUpdate < notAfter) notAfter = d.nextUpdate;
        return (table_, notAfter);
    }

    /// @dev The signer's name, and the table in the place of what was `stored`.
    function _split(bytes memory stored) private pure returns (bytes32 signer, bytes memory table) {
        // SAFETY: the name's word, which is in the memory of `stored`, becomes the table's length; `stored` is used no more.
        assembly ("memory-safe") {
            signer := mload(add(stored, SIGNER))
            table := add(stored, SIGNER)
            mstore(table, sub(mload(stored), SIGNER))
        }
    }
}
