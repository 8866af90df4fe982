"""Definitions that lakes and bundles hold stay what they are, byte for byte (S15, S31).

The values were computed at 3c37377. A change here makes every feature table and model of these pipelines anew.
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
        "b56b41f7b75e4637593416282878bdd24fc6e4348ce479a94573ce84c230a41c",
        "22cc53152e6693617b1c0e50d0cd48f5d391bf81d391b5597e98d26b1418eb1d",
        "ba2aaa3f2a4d50b6df4cf641188db7bb26da32e7d16a3564d6bf337019f100b1",
    ),
    "churn": (
        lambda: churn.churn,
        "26c9b56e0dd5ffb9372def0d7ccf7f86590bf3070d6cec3390f6af0cfed84756",
        "6b211835ded669bbd66ad921721ba95cf2589e304dfdadae36372d758625c90b",
        "f0f730bf1e07b5b19446c3150ee9c5630f3057a41bd7843960c5ada250de27e3",
    ),
    "churn_snapshot": (
        lambda: churn_snapshot.churn_snapshot,
        "28d8c597aa4a7f8e720a9e0d4e43e47d748f98e11f840949f20be78b0dd57e8c",
        "8a7da7bc90b39af5f262d84b7f97a659db404a09f406d5ecb74556b3186233c9",
        "4ab2466e3fa5ad83b4a3cbbf19ee814f43b9c075f7bb46d670912e9ab3328afb",
    ),
    "flight_delay": (
        lambda: flight_delay.flight_delay,
        "3fe32eeeaee2705bab7e4cdb57a94697841b024f7dbccedac8ff229fcca2399a",
        "44765f93a2f1184912fb8d933887e2a0de3dc8e3b77d0541b65bc1668f1d81ac",
        "1b0fec5396f0fdabd69cf119c576d97df3996860cb0fad669107180247d9985f",
    ),
    "storm_status": (
        lambda: storm_status.storm_status,
        "78ee0e2ed38c998b50dd38ad6f95c436820ba5d5db6f9b5e5fa9a836df43215c",
        "006bc47ab2ab9a321a2db38e04da533070fb9cca7c35da98ac5a222917183e7c",
        "bb76fe7a660a03b1bb41666fda7b4ebb62b99d7e92709c84a5d7286709354b59",
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
        "2bb18cceeeab3abd1a62a401bef6750187456106371fded75dcb213d72199f6e",
        "aa572fe19f6a37556aa9956ac5f6cb0c9a190bfbeadf1bd0cacd4b67b6180814",
        "f1ac4376ef4edd178012a420ea3d331db081ef42440b3bd5ea60ea8fec670191",
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
