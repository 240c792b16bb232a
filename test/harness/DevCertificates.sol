// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Vm} from "forge-std/Vm.sol";

/// @title Certificates and CRLs in the form of Intel's, signed by software keys that follow from names
library DevCertificates {
    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// @notice 2025-06-20, at which all is valid; the lists of the Platform CA are until `CRL_EXPIRY`.
    uint256 internal constant NOW = 1_750_377_600;
    uint256 internal constant CRL_EXPIRY = 1_752_919_235;
    string internal constant CRL_FROM = "250619100035Z";
    string internal constant CRL_UNTIL = "250719100035Z";
    string internal constant ROOT = "Intel SGX Root CA";
    string internal constant PLATFORM_CA = "Intel SGX PCK Platform CA";
    string internal constant SIGNER = "Intel SGX TCB Signing";
    string internal constant PCK = "Intel SGX PCK Certificate";

    bytes internal constant ECDSA_SHA256 = hex"300a06082a8648ce3d040302";
    bytes internal constant AUTHORITY = hex"300f0603551d130101ff040530030101ff";
    bytes internal constant CERTIFIES = hex"300e0603551d0f0101ff040403020106";
    bytes internal constant SIGNS = hex"300e0603551d0f0101ff0404030206c0";
    bytes internal constant NO_AUTHORITY = hex"300c0603551d130101ff04023000";
    bytes internal constant OID_SGX = hex"2a864886f84d010d01";
    uint256 internal constant SERIAL = 0x1234;
    uint256 internal constant NONE = 99;

    /// @param signer Whose key signs; the issuer's in what is valid.
    /// @param notBefore As UTCTime; `notAfter` as UTCTime or GeneralizedTime, by its length.
    /// @param key What the certificate has as the subject's key: algorithm and bit string, DER.
    struct Fields {
        string subject;
        string issuer;
        string signer;
        bytes extensions;
        uint256 serial;
        string notBefore;
        string notAfter;
        bytes key;
    }

    /// @notice A certificate that is as usual but for subject, issuer and extensions.
    function fields(string memory subject, string memory issuer, bytes memory extensions)
        internal
        pure
        returns (Fields memory)
    {
        return Fields(
            subject, issuer, issuer, extensions, SERIAL, "250206232551Z", "20600206232551Z", keyInfo(key(subject))
        );
    }

    function root() internal pure returns (bytes memory) {
        return certificate(fields(ROOT, ROOT, bytes.concat(AUTHORITY, CERTIFIES)));
    }

    function platformCa() internal pure returns (bytes memory) {
        return certificate(fields(PLATFORM_CA, ROOT, bytes.concat(AUTHORITY, CERTIFIES)));
    }

    function tcbSigner() internal pure returns (bytes memory) {
        return certificate(fields(SIGNER, ROOT, bytes.concat(SIGNS, NO_AUTHORITY)));
    }

    function pck() internal pure returns (bytes memory) {
        return certificate(fields(PCK, PLATFORM_CA, leafExtensions(platform(NONE, NONE))));
    }

    /// @notice A certificate of the subject's key, signed by the signer's.
    function certificate(Fields memory f) internal pure returns (bytes memory) {
        bytes memory validity = bytes.concat(time(f.notBefore), time(f.notAfter));
        bytes memory head = bytes.concat(hex"a003020102", integer(bytes32(f.serial)), ECDSA_SHA256, name(f.issuer));
        return _signed(
            der(
                0x30,
                bytes.concat(
                    head, der(0x30, validity), name(f.subject), der(0x30, f.key), der(0xa3, der(0x30, f.extensions))
                )
            ),
            f.signer
        );
    }

    /// @notice Algorithm and bit string of a key of P-256.
    function keyInfo(bytes memory point) internal pure returns (bytes memory) {
        return _keyInfo(hex"301306072a8648ce3d020106082a8648ce3d030107", point);
    }

    /// @notice Algorithm and bit string of a key of P-384, 96 bytes.
    function keyInfo384(bytes memory point) internal pure returns (bytes memory) {
        return _keyInfo(hex"301006072a8648ce3d020106052b81040022", point);
    }

    /// @notice A list of the authority's with these entries (see `crlEntry`).
    function crl(string memory issuer, string memory thisUpdate, string memory nextUpdate, bytes memory entries)
        internal
        pure
        returns (bytes memory)
    {
        return crlWith(issuer, thisUpdate, nextUpdate, entries, hex"300a0603551d140403020101");
    }

    function crlWith(
        string memory issuer,
        string memory thisUpdate,
        string memory nextUpdate,
        bytes memory entries,
        bytes memory extensions
    ) internal pure returns (bytes memory) {
        bytes memory list = entries.length == 0 ? bytes("") : der(0x30, entries);
        return _signed(
            der(
                0x30,
                bytes.concat(
                    bytes.concat(hex"020101", ECDSA_SHA256, name(issuer), time(thisUpdate), time(nextUpdate)),
                    list,
                    der(0xa0, der(0x30, extensions))
                )
            ),
            issuer
        );
    }

    /// @notice An entry with a reason, as Intel's have.
    function crlEntry(uint256 serial) internal pure returns (bytes memory) {
        return crlEntryWith(serial, hex"300a0603551d1504030a0101");
    }

    function crlEntryWith(uint256 serial, bytes memory extensions) internal pure returns (bytes memory) {
        return der(0x30, bytes.concat(integer(bytes32(serial)), time("250301000000Z"), der(0x30, extensions)));
    }

    /// @notice The extensions of a PCK certificate.
    function leafExtensions(bytes memory parts) internal pure returns (bytes memory) {
        bytes memory intel = der(0x30, bytes.concat(der(0x06, OID_SGX), der(0x04, parts)));
        return bytes.concat(SIGNS, NO_AUTHORITY, intel);
    }

    /// @notice The parts of Intel's extension, without one of them, and with another of a wrong size: PPID, PCE id, FMSPC, then of the TCB
    ///         component 7 and PCESVN. Components are 1 to 16, PCESVN 13.
    function platform(uint256 without, uint256 wrong) internal pure returns (bytes memory) {
        bytes memory ppid = wrong == 0 ? bytes(hex"040100") : bytes(hex"0410811dca2a26b952e85bb6448b097ba4fd");
        bytes memory pceId = wrong == 1 ? bytes(hex"0403000100") : bytes(hex"04020001");
        bytes memory fmspc = wrong == 2 ? bytes(hex"0405b0c06f0000") : bytes(hex"0406b0c06f000000");
        bytes memory tcb;
        for (uint8 k = 1; k <= 16; ++k) {
            if (without == 3 && k == 7) continue;
            bytes memory svn = wrong == 3 && k == 7 ? bytes(hex"02020100") : abi.encodePacked(hex"0201", k);
            tcb = bytes.concat(tcb, _part(abi.encodePacked(hex"02", k), svn));
        }
        if (without != 4) {
            tcb = bytes.concat(tcb, _part(hex"0211", wrong == 4 ? bytes(hex"0203010000") : bytes(hex"02010d")));
        }
        tcb = bytes.concat(tcb, _part(hex"0212", hex"04100102030405060708090a0b0c0d0e0f10"));
        return der(
            0x30,
            bytes.concat(
                without == 0 ? bytes("") : _part(hex"01", ppid),
                _part(hex"02", der(0x30, tcb)),
                without == 1 ? bytes("") : _part(hex"03", pceId),
                without == 2 ? bytes("") : _part(hex"04", fmspc),
                _part(hex"05", hex"0a0101")
            )
        );
    }

    /// @notice A name as Intel's, with this common name.
    function name(string memory common) internal pure returns (bytes memory) {
        return der(
            0x30,
            bytes.concat(
                _attribute(3, 0x0c, bytes(common)),
                _attribute(10, 0x0c, "Intel Corporation"),
                _attribute(7, 0x0c, "Santa Clara"),
                _attribute(8, 0x0c, "CA"),
                _attribute(6, 0x13, "US")
            )
        );
    }

    function time(string memory value) internal pure returns (bytes memory) {
        return der(bytes(value).length == 13 ? 0x17 : 0x18, bytes(value));
    }

    function integer(bytes32 value) internal pure returns (bytes memory) {
        uint256 skip;
        while (skip < 31 && value[skip] == 0) ++skip;
        bytes memory number = value[skip] >= 0x80 ? bytes(hex"00") : bytes("");
        for (uint256 k = skip; k < 32; ++k) {
            number = bytes.concat(number, value[k]);
        }
        return der(0x02, number);
    }

    function der(uint8 tag, bytes memory contents) internal pure returns (bytes memory) {
        uint256 n = contents.length;
        if (n < 0x80) return bytes.concat(bytes1(tag), bytes1(uint8(n)), contents);
        if (n < 0x100) return bytes.concat(bytes1(tag), hex"81", bytes1(uint8(n)), contents);
        return bytes.concat(bytes1(tag), hex"82", bytes2(uint16(n)), contents);
    }

    /// @notice r and s of the named key's signature of the message's SHA-256.
    function sign(string memory signer, bytes memory message) internal pure returns (bytes memory) {
        (bytes32 r, bytes32 s) = VM.signP256(secret(signer), sha256(message));
        return abi.encode(r, s);
    }

    function key(string memory owner) internal pure returns (bytes memory) {
        (uint256 x, uint256 y) = VM.publicKeyP256(secret(owner));
        return abi.encode(x, y);
    }

    function secret(string memory owner) internal pure returns (uint256) {
        return uint256(keccak256(bytes(owner))) >> 1;
    }

    function _signed(bytes memory tbs, string memory signer) private pure returns (bytes memory) {
        (bytes32 r, bytes32 s) = abi.decode(sign(signer, tbs), (bytes32, bytes32));
        bytes memory numbers = bytes.concat(integer(r), integer(s));
        return der(0x30, bytes.concat(tbs, ECDSA_SHA256, der(0x03, bytes.concat(hex"00", der(0x30, numbers)))));
    }

    function _keyInfo(bytes memory algorithm, bytes memory point) private pure returns (bytes memory) {
        return bytes.concat(algorithm, der(0x03, bytes.concat(hex"0004", point)));
    }

    function _part(bytes memory number, bytes memory value) private pure returns (bytes memory) {
        return der(0x30, bytes.concat(der(0x06, bytes.concat(OID_SGX, number)), value));
    }

    function _attribute(uint8 kind, uint8 tag, bytes memory value) private pure returns (bytes memory) {
        return der(0x31, der(0x30, bytes.concat(der(0x06, abi.encodePacked(hex"5504", kind)), der(tag, value))));
    }
}
