"""Definitions that lakes and bundles hold stay what they are, byte for byte (S15, S31).

The values were computed at 3c37377, and anew for pipelines with expressions when these got rules (S13). A change here
makes every feature table and model of these pipelines anew.
"""

from collections.abc import Callable
from hashlib import sha256

import pytest

from ml_platform import ModelPipeline
from ml_platform.features.definition import FeatureDefinition
from ml_platform.pipelines import bike_rentals, card_fraud, churn, churn_snapshot, flight_delay, storm_status
from ml_platform.spec.canonical import content_key
from ml_platform_tests import scenario
from ml_platform_tests.features.test_definition import everything

# The pipeline; the definition's key; SHA-256 of its JSON; the content key of the declared features.
STORED: dict[str, tuple[Callable[[], ModelPipeline], str, str, str]] = {
    "bike_rentals": (
        lambda: bike_rentals.bike_rentals,
        "2b16051d50173b4513daef961b189a77cb988f2bee01dadfaa5a209c56d30b34",
        "b5d368e538fb178213656ef68588712ba433f57559703d8746e6f53f60027b6f",
        "0070888dad3af0ef05a8c4fd234cb48717322d4fe93b7cea6d38355ec7fa5a45",
    ),
    "card_fraud": (
        lambda: card_fraud.card_fraud,
        "9d032c64f79085f502163f22b46a38e704d7ca47260698fdd82b88b1fe210a8d",
        "36ca21d75070553e26a59f7024fd8ad4b6f1ddacf30f4f1bad2810fe368f82bf",
        "90515520cc7a524b2259091133cf215192ceb8535ac1147ad3354429fb81d237",
    ),
    "churn": (
        lambda: churn.churn,
        "e7f2740d4f75ea9477bcef3c35e2179b2490139dc596203935f57f66763dc3a0",
        "7a78bf1a318c62d87ec1a3fafaa59eee0c32964894d040911159e98e76799398",
        "671e8aafd5bd4c56dba2385d1aa6af36e3d1d06169ca64453a383f4067fed768",
    ),
    "churn_snapshot": (
        lambda: churn_snapshot.churn_snapshot,
        "a20b3dad3ee25cd77022f74e3ce0b25de788f521c013cc7eda595513c5580223",
        "52db96e1e4a8862e37f0806fc738d2b4cf4452034c974059baa13f1fa0d83d00",
        "c3b121b362fe1c7bf8fc1b969ff788cebbb8388137964267504bca6e33be6275",
    ),
    "flight_delay": (
        lambda: flight_delay.flight_delay,
        "e332f0fc72f337f3e30cfa32c7c89c8777a0230dc0f9dfb83065121322a152d0",
        "9c255fd1466015d5455732fdcdcc20e2cb2e2e32be4fdbb717461666c9065acb",
        "666c7a2938addca0562fae1f0fc58b33d2f085f8f6f5ec291842096890f491a8",
    ),
    "storm_status": (
        lambda: storm_status.storm_status,
        "734205b8eaa2ffd7d02bf10f320b79d90b42d8f9c06c367397fd5d6f10837171",
        "45f23fcdf86a0548a7662dd8e4be4468ece7a7f23ee92947a92ea0f9b6277206",
        "05fafb8e09443d0024f4c673e142b8206717f8a79b977c52f317af8c8928b2aa",
    ),
    "trips of the scenario": (
        scenario.trips,
        "be72c21e15319f27bbca69df114b4a09b199c9bd41c0957b3a7d361dfa7ffc22",
        "24465ae361cd2d0165aa748d7f183be8e842a504268fba3289175504a394a463",
        "e8d726ff2713dc047f0a4537174a3b5f9dbb4a515278b6857deebf14836be01f",
    ),
    "churn of the scenario": (
        scenario.churn,
        "bfe455d7a93cfae05d8b33ed4fcf911c7e24eebf3f49ee4cdda36faad6283198",
        "cabe6cd4ad7342173c28bb586169d290d1b3bea7ae1189852c3be3b54a899aeb",
        "09917dc2d4a15b2f2a4060d6183111e36bada52072192c2d18221e81b50cfc27",
    ),
    "every kind": (
        everything,
        "63dd6c7d03a438e65ee0c899c7a105f2596668776869f2f555d896c3a3b6d5b4",
        "8e612d0e6709053872fa8a7e9c567363ecab98c50c4f7ee70de3b393d0f6e8c8",
        "24dc1fd2b413e7e686c87c551c5a1e12512dc5ad5e04b722e53cc9b532b3119c",
    ),
}


@pytest.mark.parametrize("name", STORED)
def test_the_stored_definition_of_a_pipeline_and_the_keys_made_of_it_are_what_they_were(name: str) -> None:
    declared, key, stored, features = STORED[name]
    pipeline = declared()
    definition = FeatureDefinition.of(pipeline)
    assert definition.key == key
    assert sha256(definition.to_json().encode()).hexdigest() == stored
    assert content_key(pipeline.features) == features


@pytest.mark.parametrize("name", STORED)
def test_a_stored_definition_is_read_and_written_again_as_it_was(name: str) -> None:
    text = FeatureDefinition.of(STORED[name][0]()).to_json()
    assert FeatureDefinition.from_json(text).to_json() == text
