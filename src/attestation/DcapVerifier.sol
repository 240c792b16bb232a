// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Claims, IEvidenceVerifier} from "../interfaces/IEvidenceVerifier.sol";
import {IRevocable} from "../interfaces/IRevocable.sol";
import {IntelCertificates} from "./IntelCertificates.sol";
import {IntelCollateral} from "./IntelCollateral.sol";
import {IntelQuote} from "./IntelQuote.sol";
import {QeIdentity} from "./QeIdentity.sol";
import {TcbEvaluation} from "./TcbEvaluation.sol";
import {TcbInfo} from "./TcbInfo.sol";
import {TcbTable} from "./TcbTable.sol";
import {TcbStatus} from "./TcbStatus.sol";

/// @title Quotes of Intel TDX (versions 4 and 5) or SGX (version 3): one deployment for each
/// @notice Evidence is a quote; the certificates inside are not read and may be left out. `aux` is `abi.encode(bytes32 pck, uint256 tcbEval)`:
///         the name of the platform's PCK certificate in `IntelCertificates`, and the TCB evaluation data number to judge by.
/// @dev Policy is fixed: another one is another verifier. `evidenceHash` is that of what the quote's signature covers: signatures have twins,
///      and certificates are not signed by the quote.
contract DcapVerifier is IEvidenceVerifier, IRevocable {
    /// @notice `aux` is not two words, or a proof of revocation does not begin with two.
    error DcapAux(uint256 length);
    /// @notice There is no such kind of machine, or `minTcbEval` is 0: anything would be accepted until a first list of numbers is submitted.
    error DcapPolicy();
    /// @notice The platform is to be judged by a newer TCB evaluation data number.
    error TcbEvaluationTooOld(uint256 tcbEval, uint256 newer);
    /// @notice Which number is current is not known after this moment: the list of numbers is missing or stale.
    error TcbEvaluationUnknown(uint256 until);
    /// @notice The collateral is older than the policy allows.
    error CollateralTooOld(uint256 issueDate, uint256 maxAge);
    /// @notice Intel has revoked the platform's security version.
    error TcbRevoked();
    /// @notice The platform, the TDX module or the quoting enclave is out of date.
    error TcbOutOfDate(uint8 status);
    /// @notice The platform needs another configuration, which the policy does not accept unseen.
    error TcbConfigurationNeeded(uint8 status);

    /// @notice The quote is not the one of the claims.
    error OtherQuote(bytes32 expected, bytes32 got);
    /// @notice The document is not for what this verifier verifies.
    error OtherDocument(bytes32 id);

    /// @notice How platforms are judged.
    /// @param minTcbEval Least TCB evaluation data number: the current one at deployment.
    /// @param promotionDelay Seconds from the announcement of a TCB recovery until its number is current. Intel's own is 12 months.
    /// @param grace Seconds for which the number before stays good.
    /// @param maxAge Most seconds since the issue of TCB info and identity; 0 leaves it to their `nextUpdate`.
    /// @param acceptConfiguration Whether a platform that needs another configuration is accepted.
    struct Policy {
        uint32 minTcbEval;
        uint32 promotionDelay;
        uint32 grace;
        uint32 maxAge;
        bool acceptConfiguration;
    }

    uint256 private constant AUX_BYTES = 64;

    /// @inheritdoc IEvidenceVerifier
    bytes32 public immutable kind;
    /// @notice "TDX" or "SGX".
    bytes32 public immutable TEE;
    IntelCollateral public immutable COLLATERAL;
    IntelCertificates public immutable CERTIFICATES;
    uint256 public immutable MIN_TCB_EVAL;
    uint256 public immutable PROMOTION_DELAY;
    uint256 public immutable GRACE;
    uint256 public immutable MAX_AGE;
    bool public immutable ACCEPT_CONFIGURATION;
    uint256 public immutable DEPLOYED_AT;

    /// @param tee "TDX" or "SGX"; the kind of evidence is "TDX_DCAP" or "SGX_DCAP".
    constructor(IntelCollateral collateral, Policy memory policy, bytes32 tee) {
        if (policy.minTcbEval == 0 || (tee != TcbInfo.TDX && tee != TcbInfo.SGX)) revert DcapPolicy();
        kind = tee | bytes32("_DCAP") >> 24;
        TEE = tee;
        COLLATERAL = collateral;
        CERTIFICATES = collateral.CERTIFICATES();
        MIN_TCB_EVAL = policy.minTcbEval;
        PROMOTION_DELAY = policy.promotionDelay;
        GRACE = policy.grace;
        MAX_AGE = policy.maxAge;
        ACCEPT_CONFIGURATION = policy.acceptConfiguration;
        DEPLOYED_AT = block.timestamp;
    }

    /// @inheritdoc IEvidenceVerifier
    function verify(bytes calldata evidence, bytes calldata aux) external view returns (Claims memory claims) {
        if (aux.length != AUX_BYTES) revert DcapAux(aux.length);
        uint256 tcbEval = uint256(bytes32(aux[32:64]));
        IntelQuote.Quote memory q = _parse(evidence);
        (bool inGrace, uint256 notAfter) = _checkEvaluation(tcbEval);
        IntelCertificates.Platform memory platform = CERTIFICATES.platform(bytes32(aux[:32]));
        IntelQuote.verify(evidence, q, platform.key);
        if (platform.notAfter < notAfter) notAfter = platform.notAfter;
        (uint8 status, uint256 until) = _status(evidence, q, platform, tcbEval);
        if (until < notAfter) notAfter = until;
        _checkStatus(status);
        claims.kind = kind;
        claims.deviceId = platform.deviceId;
        claims.measurement = IntelQuote.measurement(evidence, q);
        (claims.rd0, claims.rd1) = IntelQuote.reportData(evidence, q);
        claims.tcbStatus = inGrace ? status | TcbStatus.OUT_OF_DATE : status;
        claims.tcbEval = uint32(tcbEval);
        claims.notAfter = uint64(notAfter);
        claims.evidenceHash = keccak256(evidence[:q.bodyEnd]);
        claims.certificate = bytes32(aux[:32]);
    }

    /// @inheritdoc IRevocable
    /// @dev A proof is the name of one of Intel's documents (`IntelCollateral.newest`), its TCB evaluation data number, and the quote; it shows
    ///      that the document has a part of the platform as revoked. The document may be stale by now.
    function isRevoked(Claims calldata claims, bytes calldata proof) external view returns (bool) {
        if (proof.length == 0) return CERTIFICATES.isPckRevoked(claims.certificate);
        if (proof.length < AUX_BYTES) revert DcapAux(proof.length);
        (bytes32 id, uint256 tcbEval) = (bytes32(proof[:32]), uint256(bytes32(proof[32:AUX_BYTES])));
        // INVARIANT: an evaluation overrules no newer one.
        if (tcbEval < claims.tcbEval) revert TcbEvaluationTooOld(tcbEval, claims.tcbEval);
        bytes calldata evidence = proof[AUX_BYTES:];
        IntelQuote.Quote memory q = _parse(evidence);
        bytes32 got = keccak256(evidence[:q.bodyEnd]);
        if (got != claims.evidenceHash) revert OtherQuote(claims.evidenceHash, got);
        IntelCertificates.Platform memory platform = CERTIFICATES.platformEver(claims.certificate);
        // INVARIANT: the quoting enclave is the one that this platform's key vouched for, not one that somebody chose.
        IntelQuote.verify(evidence, q, platform.key);
        bool isTdx = TEE == TcbInfo.TDX;
        bytes memory table = COLLATERAL.newest(id, platform.fmspc, tcbEval);
        uint8 status;
        if (id == TEE) status = TcbTable.statusOf(table, _measured(evidence, q, platform), isTdx);
        else if (id == (isTdx ? QeIdentity.TD_QE : QeIdentity.QE)) status = _enclaveStatus(table, evidence, q);
        else revert OtherDocument(id);
        return status & TcbStatus.REVOKED != 0;
    }

    function _parse(bytes calldata evidence) private view returns (IntelQuote.Quote memory q) {
        q = IntelQuote.parse(evidence);
        if ((q.version == IntelQuote.SGX) != (TEE == TcbInfo.SGX)) revert IntelQuote.QuoteVersion(q.version);
    }

    /// @dev What Intel says of platform, TDX module and quoting enclave, and until when.
    function _status(
        bytes calldata evidence,
        IntelQuote.Quote memory q,
        IntelCertificates.Platform memory platform,
        uint256 tcbEval
    ) private view returns (uint8 status, uint256 notAfter) {
        bytes memory info;
        bytes memory identity;
        uint256 issueDate;
        (info, identity, issueDate, notAfter) = COLLATERAL.tables(TEE, platform.fmspc, tcbEval);
        if (MAX_AGE != 0) {
            if (block.timestamp > issueDate + MAX_AGE) revert CollateralTooOld(issueDate, MAX_AGE);
            if (issueDate + MAX_AGE < notAfter) notAfter = issueDate + MAX_AGE;
        }
        status = _enclaveStatus(identity, evidence, q)
            | TcbTable.statusOf(info, _measured(evidence, q, platform), TEE == TcbInfo.TDX);
    }

    function _enclaveStatus(bytes memory identity, bytes calldata evidence, IntelQuote.Quote memory q)
        private
        pure
        returns (uint8)
    {
        return QeIdentity.statusOf(identity, IntelQuote.quotingEnclave(evidence, q));
    }

    /// @dev What TCB info is compared with.
    function _measured(bytes calldata evidence, IntelQuote.Quote memory q, IntelCertificates.Platform memory platform)
        private
        view
        returns (TcbTable.Platform memory measured)
    {
        (measured.pceId, measured.pceSvn, measured.sgx) = (platform.pceId, platform.pceSvn, platform.components);
        if (TEE != TcbInfo.TDX) return measured;
        (measured.teeTcbSvn, measured.moduleSigner, measured.moduleAttributes) = IntelQuote.tdxModule(evidence, q);
    }

    /// @dev Reverts unless `tcbEval` is good now; says whether a newer number is already current, and until when it stays good.
    function _checkEvaluation(uint256 tcbEval) private view returns (bool inGrace, uint256 until) {
        if (tcbEval < MIN_TCB_EVAL) revert TcbEvaluationTooOld(tcbEval, MIN_TCB_EVAL);
        (bytes memory table, uint256 issueDate, uint256 nextUpdate) = COLLATERAL.evaluation(TEE);
        // INVARIANT: a recovery that a list does not have was announced after the list, and becomes current so much later.
        until = _most(_most(DEPLOYED_AT, issueDate) + PROMOTION_DELAY, nextUpdate);
        if (block.timestamp > until) revert TcbEvaluationUnknown(until);
        for (uint256 at; at < table.length; at += TcbEvaluation.ENTRY) {
            (uint256 number, uint256 date) = TcbEvaluation.entry(table, at);
            if (number <= tcbEval) continue;
            uint256 promoted = date + PROMOTION_DELAY;
            if (block.timestamp >= promoted + GRACE) revert TcbEvaluationTooOld(tcbEval, number);
            if (block.timestamp >= promoted) inGrace = true;
            if (promoted + GRACE < until) until = promoted + GRACE;
        }
    }

    /// @dev Up to date or in need of hardening in software, which measured software has; the rest by policy, or not at all.
    function _checkStatus(uint8 status) private view {
        if (status & TcbStatus.REVOKED != 0) revert TcbRevoked();
        if (status & TcbStatus.OUT_OF_DATE != 0) revert TcbOutOfDate(status);
        if (status & TcbStatus.CONFIGURATION != 0 && !ACCEPT_CONFIGURATION) revert TcbConfigurationNeeded(status);
    }

    function _most(uint256 a, uint256 b) private pure returns (uint256) {
        return a > b ? a : b;
    }
}
