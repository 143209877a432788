"""An earlier result that cannot take the samples is recognised by its names and genes."""

from __future__ import annotations

import json
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from scsiameseclu.clustering.check_base import check
from scsiameseclu.errors import InputError

HUMAN = [f"ENSG{number:011d}" for number in range(40)]
MOUSE = [f"ENSMUSG{number:011d}" for number in range(40)]


def write_base(path: Path, ids: list[str]) -> Path:
    """Write the minimum of a result of the pipeline."""
    genes = pd.DataFrame(
        {"gene_ids": ids, "highly_variable": True},
        index=[f"g{number}" for number in range(len(ids))],
    )
    counts = csr_matrix(np.ones((4, len(ids)), dtype=np.float32))
    cells = pd.DataFrame({"cluster": list("0011"), "cell_type": list("AABB")}, index=list("wxyz"))
    base = ad.AnnData(
        counts, obs=cells, var=genes, layers={"counts": counts}, uns={"scsiameseclu": "{}"}
    )
    base.obsm["X_pca"], base.varm["PCs"] = np.zeros((4, 2)), np.zeros((len(ids), 2))
    base.write_h5ad(path)
    return path


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Write the settings of a sample of each organism."""
    rows = [
        {"sample": f"of_{organism}", "organism": organism}
        for organism in ("human", "mouse", "other")
    ]
    path = tmp_path / "samples.json"
    path.write_text(json.dumps(rows))
    return path


def test_samples_of_another_organism_are_named(tmp_path: Path, samples: Path) -> None:
    with pytest.raises(
        InputError, match=r"organism \(human: 40 of 40 genes, by id\) than samples 'of_mouse'\n"
    ):
        check(base=write_base(tmp_path / "base", HUMAN), samples=samples)
    with pytest.raises(InputError, match=r"another organism \(mouse: .* than samples 'of_human'\n"):
        check(base=write_base(tmp_path / "base", MOUSE), samples=samples)


@pytest.mark.parametrize(
    "ids", [HUMAN + MOUSE, [f"gene-{number}" for number in range(40)], HUMAN[:3]]
)
def test_genes_of_unknown_organism_are_accepted(
    tmp_path: Path, samples: Path, ids: list[str]
) -> None:
    check(base=write_base(tmp_path / "base", ids), samples=samples)


def test_files_other_than_results_are_rejected(tmp_path: Path, samples: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(InputError, match=r"cannot be read as an \.h5ad file"):
        check(base=tmp_path / "empty", samples=samples)
    unknown = write_base(tmp_path / "unknown", HUMAN)
    with h5py.File(unknown, "r+") as file:
        new = file["uns"].create_group("new")
        new.attrs.update({"encoding-type": "of-tomorrow", "encoding-version": "9.0.0"})
    with pytest.raises(InputError, match=r"cannot be read as an \.h5ad file: .*of-tomorrow"):
        check(base=unknown, samples=samples)
    ad.AnnData(np.ones((3, 4))).write_h5ad(tmp_path / "other")
    with pytest.raises(
        InputError, match=r"it has no obs\['cluster'\], obs\['cell_type'\], layers\['counts'\]"
    ):
        check(base=tmp_path / "other", samples=samples)
