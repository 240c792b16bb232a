// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Phase} from "src/interfaces/IDisputeGame.sol";
import {Status} from "src/interfaces/IOtrRollup.sol";
import {GameTest} from "./utils/GameTest.sol";

contract DisputeGameTest is GameTest {
    function test_settle_wrongElement_succeeds() public {
        bytes memory lie = _honestRow(4, ROW_LONG);
        _put(lie, 3, 150, 12345);
        rowLies[4][ROW_LONG] = lie;
        committed = _commit();
        _open(4);
        assertStatus(committed, Status.Challenged);
        _playTo(ROW_LONG, 150);
        _settle(ROW_LONG, 150);
        assertPhase(Phase.Over);
        assertStatus(committed, Status.Reverted);
        assertEq(vault.claimableOf(challenger), BOND + LOCK / 4, "bond and share");
        assertEq(vault.burnt(), LOCK * 55 / 100, "burnt");
        assertSolvent();
    }
}
