"""The organism is recognised by ids, genomes and the case of symbols, or not at all."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scsiameseclu.intake.counts import Counts, to_adata
from scsiameseclu.intake.organism import gene_organisms, infer_organism

HUMAN = [f"ENSG{number:011d}.2" for number in range(100)]
MOUSE = [f"ENSMUSG{number:011d}" for number in range(100)]
FISH = [f"ENSDARG{number:011d}" for number in range(100)]
UPPER = [
    "MT-ND1",
    "C1orf112",
    "HLA-DRB1",
    "RP11-34P13.3",
    *(f"GENE{number}" for number in range(96)),
]
TITLE = ["mt-Nd1", "0610007P14Rik", "H2-Ab1", *(f"Gene{number}" for number in range(97))]
LOWER = [f"gene{number}" for number in range(100)]


def var(ids, symbols=None):
    return pd.DataFrame({"gene_ids": ids, "gene_symbols": symbols or ids})


@pytest.mark.parametrize(
    ("ids", "symbols", "found"),
    [
        (HUMAN, None, "human"),
        (MOUSE, UPPER, "mouse"),
        (FISH, LOWER, "other"),
        (UPPER, None, "human"),
        (TITLE, None, "mouse"),
        (LOWER, None, None),
        (UPPER[:19], None, None),
        (UPPER[:50] + TITLE[:50], None, None),
        (HUMAN + MOUSE, None, "mixed"),
        ([f"GRCh38_{name}" for name in HUMAN], [f"GRCh38_{name}" for name in UPPER], "human"),
        ([f"hg19_{name}" for name in UPPER] + [f"mm10___{name}" for name in TITLE], None, "mixed"),
        ([f"GRCm39_{name}" for name in TITLE], None, "mouse"),
        (HUMAN + MOUSE[:3], None, "human"),
        (HUMAN[:50] + FISH[:50], None, None),
    ],
)
def test_the_organism_by_the_names(ids, symbols, found):
    reported = infer_organism(var(ids, symbols))
    assert reported.found == found
    assert bool(reported.evidence) == (found is not None)


@pytest.mark.parametrize(
    ("ids", "name"),
    [
        (FISH, "zebrafish"),
        ([f"FBgn{number:07d}" for number in range(50)], "fly"),
        ([f"WBGene{number:08d}" for number in range(50)], "worm"),
        ([f"ENSRNOG{number:011d}" for number in range(50)], "rat"),
        ([f"ENSSSCG{number:011d}.1" for number in range(50)], "pig"),
        (
            [
                f"YA{arm}{number:03d}{strand}"
                for arm in "LR"
                for number in range(20)
                for strand in "CW"
            ],
            "yeast",
        ),
        ([f"AT{number % 5 + 1}G{number:05d}" for number in range(50)], "Arabidopsis"),
        ([f"ENSLACG{number:011d}" for number in range(50)], ""),
    ],
)
def test_other_organisms_have_their_name(ids, name):
    symbols = [f"Gene{number}" for number in range(len(ids))]
    reported = infer_organism(var(ids, symbols))
    assert (reported.found, reported.name) == ("other", name)
    assert reported.summary("other")["name"] == name
    assert reported.check("other") == ""
    assert (f"not of mouse but of {name}" if name else "not of mouse (") in reported.check("mouse")


def test_organism_of_each_gene():
    names = [
        "ENSG00000000003",
        "ENSMUSG00000064351.1",
        "mm10___Xkr4",
        "GRCh38_TP53",
        "TP53",
        "ENSDARG00000000001",
    ]
    assert gene_organisms(var(names)).tolist() == ["human", "mouse", "mouse", "human", "", ""]


@pytest.mark.parametrize(
    ("ids", "given", "words"),
    [
        (HUMAN, "human", ""),
        (HUMAN, "other", ""),
        (HUMAN, None, ""),
        (LOWER, "human", ""),
        (
            MOUSE,
            "human",
            "look like those of mouse (100 of 100 genes, by id), but the "
            "organism is given as human",
        ),
        (TITLE, "human", "by upper and lower case"),
        (FISH, "mouse", "not of mouse"),
        (HUMAN + MOUSE, "human", "genes of human and mouse (100 of human and 100 of mouse)"),
    ],
)
def test_the_organism_of_the_samplesheet_is_checked(ids, given, words):
    counts = Counts(
        sparse.csr_matrix(np.ones((2, len(ids)), dtype=np.int32)),
        ["A", "B"],
        list(ids),
        list(ids),
        "x",
    )
    intake = json.loads(to_adata(counts, {"organism": given}).uns["intake"])
    assert intake["organism"]["given"] == given
    assert words in intake["organism"]["warning"]
    assert bool(intake["organism"]["warning"]) == bool(words)
    assert [note for note in intake["notes"] if "of mouse" in note] == (
        [intake["organism"]["warning"]] if words else []
    )
