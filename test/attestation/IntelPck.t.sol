// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {Der} from "src/attestation/Der.sol";
import {IntelPck} from "src/attestation/IntelPck.sol";
import {P256Ecdsa} from "src/attestation/P256Ecdsa.sol";
import {X509} from "src/attestation/X509.sol";
import {TdxHarness} from "../harness/TdxHarness.sol";

/// @notice Chains in the form of Intel's, signed by keys of our own. Real chains: `ts/attestation/intel.test.ts`.
contract IntelPckTest is Test {
    uint256 private constant NOW = 1_790_000_000;
    bytes private constant ECDSA_SHA256 = hex"300a06082a8648ce3d040302";
    bytes private constant AUTHORITY = hex"300f0603551d130101ff040530030101ff";
    bytes private constant CERTIFIES = hex"300e0603551d0f0101ff040403020106";
    bytes private constant SIGNS = hex"300e0603551d0f0101ff0404030206c0";
    bytes private constant OID_SGX = hex"2a864886f84d010d01";

    TdxHarness private _harness;
    bytes[] private _chain;
    bytes32 private _root;

    function setUp() public {
        _harness = new TdxHarness();
        bytes memory authority = bytes.concat(AUTHORITY, CERTIFIES);
        _chain.push(_certificate("PCK", "Platform CA", _leafExtensions(_platform())));
        _chain.push(_certificate("Platform CA", "Root CA", authority));
        _chain.push(_certificate("Root CA", "Root CA", authority));
        _root = keccak256(_chain[2]);
    }

    function test_verifyChain_valid_succeeds() public view {
        IntelPck.Pck memory pck = _harness.verifyChain(_chain, _root, NOW);
        assertEq(pck.key, _key("PCK"));
        assertEq(pck.fmspc, bytes6(0xb0c06f000000));
        assertEq(pck.pceId, bytes2(0x0001));
        assertEq(pck.cpuSvn, bytes16(0x0102030405060708090a0b0c0d0e0f10));
        assertEq(pck.pceSvn, 13);
        assertEq(pck.ppidHash, keccak256(hex"811dca2a26b952e85bb6448b097ba4fd"));
        assertEq(pck.serial, 0x1234);
        assertEq(pck.issuer, keccak256(_name("Platform CA")));
        assertEq(abi.encode(pck), abi.encode(_harness.leaf(_chain[0])));
    }

    function test_snapshot_pckChain() public {
        _harness.verifyChain(_chain, _root, NOW);
        vm.snapshotGasLastCall("attestation", "pckChain");
    }

    function test_verifyChain_reverts() public {
        bytes[] memory chain = _chain;
        vm.expectRevert(abi.encodeWithSelector(IntelPck.PckRoot.selector, bytes32("other"), _root));
        _harness.verifyChain(chain, "other", NOW);
        vm.expectPartialRevert(X509.X509Validity.selector);
        _harness.verifyChain(chain, _root, 1);
        vm.expectRevert(abi.encodeWithSelector(IntelPck.PckChain.selector, 0));
        _harness.verifyChain(new bytes[](0), _root, NOW);
        chain = new bytes[](1);
        chain[0] = _chain[2];
        vm.expectRevert(abi.encodeWithSelector(IntelPck.PckChain.selector, 1));
        _harness.verifyChain(chain, _root, NOW);
        // The leaf under the root: its issuer is another.
        chain = new bytes[](2);
        (chain[0], chain[1]) = (_chain[0], _chain[2]);
        vm.expectPartialRevert(X509.X509Issuer.selector);
        _harness.verifyChain(chain, _root, NOW);
    }

    /// @dev A leaf that names an authority which is none, and one that another key signed.
    function test_verifyChain_forged_reverts() public {
        bytes[] memory chain = _chain;
        chain[1] = _certificate("Platform CA", "Root CA", _leafExtensions(_platform()));
        vm.expectPartialRevert(X509.X509Authority.selector);
        _harness.verifyChain(chain, _root, NOW);
        chain = _chain;
        chain[0] = _signedBy("PCK", "Platform CA", "Somebody", _leafExtensions(_platform()));
        vm.expectRevert(P256Ecdsa.P256Signature.selector);
        _harness.verifyChain(chain, _root, NOW);
    }

    function test_verifyChain_otherCurve_reverts() public {
        string memory json = vm.readFile("test/vectors/attestation/h100.json");
        bytes[] memory chain = new bytes[](2);
        chain[0] = vm.parseJsonBytes(json, ".chain[3]");
        chain[1] = vm.parseJsonBytes(json, ".chain[4]");
        vm.expectRevert(IntelPck.PckCurve.selector);
        _harness.verifyChain(chain, keccak256(chain[1]), NOW);
    }

    function test_readLeaf_reverts() public {
        bytes memory der = _chain[1];
        vm.expectRevert(abi.encodeWithSelector(IntelPck.PckLeaf.selector, 0x0600));
        _harness.leaf(der);
        der = _certificate("PCK", "Platform CA", bytes.concat(AUTHORITY, SIGNS));
        vm.expectRevert(abi.encodeWithSelector(IntelPck.PckLeaf.selector, 0xc000));
        _harness.leaf(der);
        der = _certificate("PCK", "Platform CA", SIGNS);
        vm.expectPartialRevert(X509.X509ExtensionMissing.selector);
        _harness.leaf(der);
    }

    function test_readLeaf_parts_reverts() public {
        // Each part is missing once, and has another size once.
        for (uint256 missing; missing < 6; ++missing) {
            bytes memory der =
                _certificate("PCK", "Platform CA", _leafExtensions(_parts(missing == 0 ? 99 : missing - 1, 99)));
            if (missing == 0) {
                _harness.leaf(der);
            } else {
                vm.expectPartialRevert(IntelPck.PckExtension.selector);
                _harness.leaf(der);
            }
        }
        for (uint256 short; short < 4; ++short) {
            bytes memory der = _certificate("PCK", "Platform CA", _leafExtensions(_parts(99, short)));
            vm.expectPartialRevert(IntelPck.PckExtension.selector);
            _harness.leaf(der);
        }
        bytes memory wide = _certificate("PCK", "Platform CA", _leafExtensions(_parts(99, 4)));
        vm.expectPartialRevert(Der.DerInteger.selector);
        _harness.leaf(wide);
    }

    function testFuzz_readLeaf_changedByte_succeedsOrReverts(uint256 place, uint8 value) public view {
        bytes memory der = _chain[0];
        der[place % der.length] = bytes1(value);
        (bool success, bytes memory reason) = address(_harness).staticcall(abi.encodeCall(TdxHarness.leaf, (der)));
        if (success) return;
        assertGe(reason.length, 4, "no reason");
        assertTrue(bytes4(reason) != 0x4e487b71, "panic");
    }

    /// @dev Any change within what is signed is found, at the latest by the signature.
    function testFuzz_verifyChain_flippedBit_reverts(uint256 bit) public view {
        bytes[] memory chain = _chain;
        bytes memory der = chain[0];
        bit = bit % (8 * (der.length - 70));
        der[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        (bool success,) = address(_harness).staticcall(abi.encodeCall(TdxHarness.verifyChain, (chain, _root, NOW)));
        assertFalse(success);
    }

    function _platform() private pure returns (bytes memory) {
        return _parts(99, 99);
    }

    /// @dev The parts of Intel's extension, without one of them, and with another of a wrong size: PPID, PCE id, FMSPC, CPUSVN, PCESVN.
    function _parts(uint256 without, uint256 wrong) private pure returns (bytes memory) {
        bytes memory ppid = wrong == 0 ? bytes(hex"040100") : bytes(hex"0410811dca2a26b952e85bb6448b097ba4fd");
        bytes memory pceId = wrong == 1 ? bytes(hex"0403000100") : bytes(hex"04020001");
        bytes memory fmspc = wrong == 2 ? bytes(hex"0405b0c06f0000") : bytes(hex"0406b0c06f000000");
        bytes memory cpuSvn = wrong == 3
            ? bytes(hex"040f0102030405060708090a0b0c0d0e0f")
            : bytes(hex"04100102030405060708090a0b0c0d0e0f10");
        bytes memory pceSvn = wrong == 4 ? bytes(hex"0203010000") : bytes(hex"02010d");
        bytes memory tcb = bytes.concat(
            _part(hex"0201", hex"020106"),
            without == 4 ? bytes("") : _part(hex"0211", pceSvn),
            without == 3 ? bytes("") : _part(hex"0212", cpuSvn)
        );
        return _der(
            0x30,
            bytes.concat(
                without == 0 ? bytes("") : _part(hex"01", ppid),
                _part(hex"02", _der(0x30, tcb)),
                without == 1 ? bytes("") : _part(hex"03", pceId),
                without == 2 ? bytes("") : _part(hex"04", fmspc),
                _part(hex"05", hex"0a0101")
            )
        );
    }

    function _part(bytes memory number, bytes memory value) private pure returns (bytes memory) {
        return _der(0x30, bytes.concat(_der(0x06, bytes.concat(OID_SGX, number)), value));
    }

    function _leafExtensions(bytes memory platform) private pure returns (bytes memory) {
        bytes memory intel = _der(0x30, bytes.concat(_der(0x06, OID_SGX), _der(0x04, platform)));
        return bytes.concat(SIGNS, hex"300c0603551d130101ff04023000", intel);
    }

    function _certificate(string memory subject, string memory issuer, bytes memory extensions)
        private
        pure
        returns (bytes memory)
    {
        return _signedBy(subject, issuer, issuer, extensions);
    }

    /// @dev A certificate of the subject's key, signed by the signer's.
    function _signedBy(string memory subject, string memory issuer, string memory signer, bytes memory extensions)
        private
        pure
        returns (bytes memory)
    {
        bytes memory validity = bytes.concat(_der(0x17, "250206232551Z"), _der(0x18, "20600206232551Z"));
        bytes memory key = bytes.concat(
            hex"301306072a8648ce3d020106082a8648ce3d030107", _der(0x03, bytes.concat(hex"0004", _key(subject)))
        );
        bytes memory tbs = _der(
            0x30,
            bytes.concat(
                bytes.concat(hex"a00302010202021234", ECDSA_SHA256, _name(issuer), _der(0x30, validity)),
                bytes.concat(_name(subject), _der(0x30, key), _der(0xa3, _der(0x30, extensions)))
            )
        );
        (bytes32 r, bytes32 s) = vm.signP256(_secret(signer), sha256(tbs));
        bytes memory numbers = bytes.concat(_integer(r), _integer(s));
        return _der(0x30, bytes.concat(tbs, ECDSA_SHA256, _der(0x03, bytes.concat(hex"00", _der(0x30, numbers)))));
    }

    function _name(string memory name) private pure returns (bytes memory) {
        return _der(0x30, _der(0x31, _der(0x30, bytes.concat(hex"0603550403", _der(0x0c, bytes(name))))));
    }

    function _integer(bytes32 value) private pure returns (bytes memory) {
        uint256 skip;
        while (value[skip] == 0) ++skip;
        bytes memory number = value[skip] >= 0x80 ? bytes(hex"00") : bytes("");
        for (uint256 k = skip; k < 32; ++k) {
            number = bytes.concat(number, value[k]);
        }
        return _der(0x02, number);
    }

    function _der(uint8 tag, bytes memory contents) private pure returns (bytes memory) {
        uint256 n = contents.length;
        if (n < 0x80) return bytes.concat(bytes1(tag), bytes1(uint8(n)), contents);
        if (n < 0x100) return bytes.concat(bytes1(tag), hex"81", bytes1(uint8(n)), contents);
        return bytes.concat(bytes1(tag), hex"82", bytes2(uint16(n)), contents);
    }

    function _secret(string memory name) private pure returns (uint256) {
        return uint256(keccak256(bytes(name))) >> 1;
    }

    function _key(string memory name) private pure returns (bytes memory) {
        (uint256 x, uint256 y) = vm.publicKeyP256(_secret(name));
        return abi.encode(x, y);
    }
}
