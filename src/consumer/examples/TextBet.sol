// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Finality, IOtrRequests} from "../../interfaces/IOtrRequests.sol";
import {Clock, Duration, Timestamp} from "../../libraries/Clock.sol";
import {ModelId, RequestHash} from "../../types/OtrTypes.sol";
import {OtrConsumer} from "../OtrConsumer.sol";

/// @title A bet on what a text will say
/// @notice Two sides bet on a yes/no question about a text that a third, the source, publishes later ("does the announcement name a date?").
///         The model reads text and question; its first token decides, once the answer is final: `YES`, `NO`, or a draw.
/// @dev An example. What it cannot give:
///      - Final means that the model said so, not that it is so. Models err, more so if the text is written to mislead them: the source can.
///      - The greedy sampler leaves no chance: whoever knows the text knows the answer. Hence the text comes after the bets. A side that
///        learns it earlier than the other should not be bet against.
///      - A lie of an executor costs it the lock of its receipt, if one watcher is awake. Stakes far beyond that lock make a lie, or a bribe,
///        worth more than it costs: bet less.
///      - Compensation for a reverted answer stays in this contract: no side of the bet has a better claim to it.
contract TextBet is OtrConsumer {
    using SafeCast for uint256;

    /// @notice The bet is at another stage.
    error WrongStage(uint256 id, Stage stage);
    /// @notice Both sides put up the same.
    error StakeMismatch(uint256 expected, uint256 got);
    /// @notice Only this account.
    error NotAllowed(address expected, address got);
    /// @notice These are not the question's tokens.
    error QuestionMismatch(bytes32 expected, bytes32 got);
    /// @notice Not before this moment.
    error TooEarly(Timestamp from);
    /// @notice Not after this moment.
    error TooLate(Timestamp until);
    /// @notice Nothing to withdraw.
    error NothingToWithdraw();
    /// @notice The receiver refused the ETH.
    error TransferFailed(address to);

    /// @notice A bet is offered.
    event Offered(
        uint256 indexed id, address indexed yes, address source, uint96 stake, uint32[] before, uint32[] after_
    );
    /// @notice Somebody took the other side.
    event Taken(uint256 indexed id, address indexed no);
    /// @notice The text is out, the model is asked.
    event Published(uint256 indexed id, RequestHash indexed requestHash);
    /// @notice The bet is over; `winner` zero: everybody got its own back.
    event Settled(uint256 indexed id, address indexed winner, uint32 token);

    enum Stage {
        None,
        Offered,
        Taken,
        Asked,
        Settled
    }

    /// @param question Hash of the tokens around the text.
    /// @param publisher Who paid the model, and gets it back if no answer comes.
    struct Bet {
        address yes;
        uint96 stake;
        address no;
        Timestamp giveUpAt;
        Stage stage;
        address source;
        address publisher;
        bytes32 question;
    }

    /// @notice The model that reads.
    ModelId public immutable MODEL;
    /// @notice Its token for "yes", and the one for "no".
    uint32 public immutable YES;
    uint32 public immutable NO;

    /// @notice Time for an executor to answer.
    Duration public constant LIFETIME = Duration.wrap(1 hours);
    /// @notice Time for the source to publish; then both sides can leave.
    Duration public constant PATIENCE = Duration.wrap(30 days);
    /// @notice Gas of a hook.
    uint32 public constant CALLBACK_GAS = 200_000;

    /// @notice The bets.
    mapping(uint256 id => Bet) public betOf;
    /// @notice The bet that a request decides.
    mapping(RequestHash requestHash => uint256 id) public betAbout;
    /// @notice What an account can withdraw.
    mapping(address account => uint256) public balanceOf;
    /// @notice Bets so far, which is the newest one's id.
    uint256 public count;

    constructor(IOtrRequests otr, ModelId model, uint32 yes, uint32 no) OtrConsumer(otr) {
        (MODEL, YES, NO) = (model, yes, no);
    }

    /// @dev Refunds come from the vault.
    receive() external payable {
        if (msg.sender != address(OTR.VAULT())) revert NotAllowed(address(OTR.VAULT()), msg.sender);
    }

    /// @notice Offers to bet the value sent on "yes".
    /// @param before Tokens of the prompt before the text, `after_` those behind it: the whole question, chat template included.
    function offer(address source, uint32[] calldata before, uint32[] calldata after_)
        external
        payable
        returns (uint256 id)
    {
        id = ++count;
        Bet storage bet = betOf[id];
        (bet.yes, bet.stake, bet.source, bet.stage) = (msg.sender, msg.value.toUint96(), source, Stage.Offered);
        bet.question = keccak256(abi.encode(before, after_));
        emit Offered(id, msg.sender, source, msg.value.toUint96(), before, after_);
    }

    /// @notice Takes the other side of an offer, for the same stake.
    function take(uint256 id) external payable {
        Bet storage bet = _at(id, Stage.Offered);
        if (msg.value != bet.stake) revert StakeMismatch(bet.stake, msg.value);
        (bet.no, bet.stage, bet.giveUpAt) = (msg.sender, Stage.Taken, Clock.current().plus(PATIENCE));
        emit Taken(id, msg.sender);
    }

    /// @notice Publishes the text and asks the model, with the value sent as its payment. By the source; again if no answer came.
    function publish(uint256 id, uint32[] calldata before, uint32[] calldata text, uint32[] calldata after_)
        external
        payable
        returns (RequestHash requestHash)
    {
        Bet storage bet = _at(id, Stage.Taken);
        if (msg.sender != bet.source) revert NotAllowed(bet.source, msg.sender);
        // Else a source could ask for ever, unpaid, and hold the stakes.
        if (bet.giveUpAt.hasCome()) revert TooLate(bet.giveUpAt);
        bytes32 question = keccak256(abi.encode(before, after_));
        if (question != bet.question) revert QuestionMismatch(bet.question, question);
        (bet.stage, bet.publisher) = (Stage.Asked, msg.sender);
        requestHash = _ask(
            Question({
                modelId: MODEL,
                input: _join(before, text, after_),
                maxOut: 1,
                stopTokens: new uint32[](0),
                sampler: 0,
                temperature: 0,
                lifetime: LIFETIME,
                finality: Finality.Final,
                callbackGas: CALLBACK_GAS,
                payment: msg.value.toUint96()
            })
        );
        betAbout[requestHash] = id;
        emit Published(id, requestHash);
    }

    /// @notice Ends a bet that nobody took (by who offered it), or whose text did not come in time (by anyone). Stakes go back.
    function cancel(uint256 id) external {
        Bet storage bet = betOf[id];
        if (bet.stage == Stage.Offered) {
            if (msg.sender != bet.yes) revert NotAllowed(bet.yes, msg.sender);
        } else {
            _at(id, Stage.Taken);
            if (!bet.giveUpAt.hasCome()) revert TooEarly(bet.giveUpAt);
        }
        _settle(id, bet, address(0), 0);
    }

    /// @notice Sends what is the caller's to it.
    function withdraw() external {
        uint256 amount = balanceOf[msg.sender];
        if (amount == 0) revert NothingToWithdraw();
        balanceOf[msg.sender] = 0;
        if (OTR.VAULT().claimableOf(address(this)) != 0) _claim(address(this));
        (bool sent,) = msg.sender.call{value: amount}("");
        if (!sent) revert TransferFailed(msg.sender);
    }

    /// @dev Final only: a provisional answer is not worth a stake.
    function _onFinal(RequestHash requestHash, uint32[] memory output) internal override {
        uint256 id = betAbout[requestHash];
        Bet storage bet = betOf[id];
        uint32 token = output[0];
        _settle(id, bet, token == YES ? bet.yes : token == NO ? bet.no : address(0), token);
    }

    /// @dev No executor answered: the source gets its payment back and may ask again.
    function _onRefunded(RequestHash requestHash) internal override {
        Bet storage bet = betOf[betAbout[requestHash]];
        bet.stage = Stage.Taken;
        balanceOf[bet.publisher] += OTR.requestOf(requestHash).payment;
    }

    function _settle(uint256 id, Bet storage bet, address winner, uint32 token) private {
        uint256 stake = bet.stake;
        bool taken = bet.stage != Stage.Offered;
        bet.stage = Stage.Settled;
        if (winner != address(0)) {
            balanceOf[winner] += 2 * stake;
        } else {
            balanceOf[bet.yes] += stake;
            if (taken) balanceOf[bet.no] += stake;
        }
        emit Settled(id, winner, token);
    }

    function _at(uint256 id, Stage stage) private view returns (Bet storage bet) {
        bet = betOf[id];
        if (bet.stage != stage) revert WrongStage(id, bet.stage);
    }

    function _join(uint32[] calldata a, uint32[] calldata b, uint32[] calldata c)
        private
        pure
        returns (uint32[] memory all)
    {
        all = new uint32[](a.length + b.length + c.length);
        uint256 n;
        for (uint256 i; i < a.length; ++i) {
            all[n++] = a[i];
        }
        for (uint256 i; i < b.length; ++i) {
            all[n++] = b[i];
        }
        for (uint256 i; i < c.length; ++i) {
            all[n++] = c[i];
        }
    }
}
