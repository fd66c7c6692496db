"""Benchmarks as they are read: the real files where they are at hand, and rows written here where they are not."""

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from datasets import Dataset
from hub_model import save_hub_model
from project import ROOT
from pydantic import TypeAdapter
from web import serving

from pure_repro.config import Benchmark, ConfigError, FileSet, HubSet, UrlSet
from pure_repro.data.benchmarks import read_file, references_digest, whole_benchmark
from pure_repro.grading import answers_match, grade, grade_many
from pure_repro.launch import CONF
from pure_repro.launch.compose import benchmark_values
from pure_repro.types import Problem
from tests.grading.conftest import DATA as FILES

DATA = FILES / "benchmarks"
COUNTS = {"math500": 500, "aime24": 30, "amc23": 40, "minerva_math": 272, "olympiadbench": 675, "gsm8k": 1319}
NOT_THEMSELVES = {  # references that a profile finds wrong, boxed: the published one strips answers twice
    ("published", "math500"): [r"x \in [-2,7]"],
    ("published", "minerva_math"): [
        r"y^{\prime}+r y-r x(t)=0",
        r"x^{\prime}+\frac{r}{V} x-r c=0",
        r"\lambda_{\text {red}} / \sqrt{2}",
    ],
}


def benchmark(name: str, **changes: object) -> HubSet | UrlSet:
    read: HubSet | UrlSet = TypeAdapter(Benchmark).validate_python(benchmark_values(name, "score.benchmarks") | changes)
    return read


def real(name: str) -> list[tuple[str, str]]:
    """Questions and references of a real file."""
    if not DATA.is_dir():
        pytest.skip(f"no benchmark files in {DATA}: set PURE_REPRO_DATA to the folder that holds benchmarks/")
    return [(problem.question, str(problem.answer)) for problem in whole_benchmark(benchmark(name), DATA)]


def written(folder: Path, name: str, rows: list[dict]) -> Path:
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def read(folder: Path, name: str, rows: list[dict]) -> list[str]:
    """The references of rows in the form of a benchmark."""
    mine = benchmark(name, problems=len(rows), digest=None)
    return [str(problem.answer) for problem in whole_benchmark(mine, written(folder, name, rows))]


@pytest.mark.parametrize("name", COUNTS)
def test_the_real_files_are_the_ones_meant(name):
    problems = real(name)
    assert len(problems) == COUNTS[name] and len({question for question, _ in problems}) == COUNTS[name]


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("profile", ["strict", "published"])
def test_every_reference_equals_itself(name, profile):
    """The list of those that do not; solutions are compared in tests/grading."""
    references = [answer for _, answer in real(name)]
    verdicts = grade_many([f"\\boxed{{{answer}}}" for answer in references], references, profile)
    wrong = [reference for reference, verdict in zip(references, verdicts, strict=True) if not verdict.correct]
    assert wrong == NOT_THEMSELVES.get((profile, name), [])


@pytest.mark.parametrize("name", [path.stem for path in (CONF / "benchmark").glob("*.yaml")])
def test_every_benchmark_is_pinned_to_a_commit_and_a_digest(name):
    mine = benchmark(name)
    parts = mine.url.split("/") if isinstance(mine, UrlSet) else [mine.revision]
    assert any(re.fullmatch("[0-9a-f]{40}", part) for part in parts)
    assert re.fullmatch("[0-9a-f]{12}", str(mine.digest))


# Where the rows lie in the hub's repository of each set, by its card: configuration, split, and files of the split.
LAYOUTS = {
    "math500": ("default", "test", "test.jsonl"),
    "aime24": ("default", "train", "data/train-00000-of-00001.parquet"),
    "amc23": ("default", "test", "test-00000-of-00001.parquet"),
    "gsm8k": ("main", "test", "main/test-00000-of-00001.parquet"),
    "math": ("default", "test", "data/test-00000-of-00001.parquet"),
}


def repository(folder: Path, name: str, rows: list[dict]) -> Path:
    """A folder as the hub gives it: a card that names configurations and splits, and files of rows."""
    config, split, file = LAYOUTS[name]
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    data = Dataset.from_list(rows)
    data.to_parquet(path) if path.suffix == ".parquet" else data.to_json(path)
    configs = [{"config_name": config, "data_files": [{"split": split, "path": file}]}]
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump({'configs': configs})}---\n")
    return folder


ROWS: dict[str, list[dict]] = {  # columns and types of the source; the answers as they stand there
    "math500": [{"problem": "?", "solution": "", "answer": "\\frac12", "subject": "Algebra", "unique_id": "a.json"}],
    "minerva_math": [{"problem": "?", "solution": "\\boxed{4.5e33} ergs", "type": "Astronomy", "idx": 0}],
    "olympiadbench": [
        {"id": 1, "question": "?", "final_answer": ["$1$,$2$"], "unit": None, "is_multiple_answer": True}
    ],
    "aime24": [{"id": 60, "problem": "?", "solution": "", "answer": "025", "url": "", "year": "2024"}],
    "amc23": [{"id": 0, "answer": 27.0, "url": "", "question": "?"}],
    "gsm8k": [{"question": "?", "answer": "so\n#### 2,125"}],
    "math": [{"problem": "?", "level": "Level 1", "type": "Algebra", "solution": "so $\\boxed{3}$."}],
}
REFERENCES = ["\\frac12", "4.5e33", "$1$,$2$", "25", "27", "2125", "3"]


@pytest.fixture
def no_cache(tmp_path, monkeypatch):
    """What the library fetched and read lies in a folder that goes away."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr("datasets.config.DOWNLOADED_DATASETS_PATH", tmp_path / "cache" / "downloads")


@pytest.fixture
def web(tmp_path, no_cache) -> Iterator[tuple[Path, str]]:
    """A folder, and the address under which the web has it."""
    folder = tmp_path / "web"
    folder.mkdir()
    with serving(folder) as address:
        yield folder, address


def lying(web: tuple[Path, str], name: str, rows: list[dict]) -> HubSet | UrlSet:
    """A benchmark whose rows are these: in a file of the web, or in a folder of the hub's layout."""
    folder, address = web
    if isinstance(benchmark(name), HubSet):
        return benchmark(name, hub=str(repository(folder / "hub", name, rows)))
    written(folder, name, rows)
    return benchmark(name, url=f"{address}/{name}.jsonl")


@pytest.mark.parametrize(("name", "reference"), [*zip(ROWS, REFERENCES, strict=True)])
def test_rows_are_read_where_they_lie(name, reference, web):
    """The same function, and the source's columns; of the hub its configuration and split, without the download."""
    mine = lying(web, name, ROWS[name]).model_copy(update={"problems": 1, "digest": None})
    [problem] = whole_benchmark(mine, None)
    assert (problem.id, problem.question, problem.answer) == (f"{name}/0", "?", reference)
    with pytest.raises(ConfigError, match=r", row 0: there is no 'other' among "):
        whole_benchmark(mine.model_copy(update={"question": "other"}), None)
    elsewhere = {"split": "elsewhere"} if isinstance(mine, HubSet) else {"url": f"{web[1]}/elsewhere.jsonl"}
    with pytest.raises(ConfigError, match=rf"{name} cannot be read from .*; score.data_dir=folder reads {name}.jsonl"):
        whole_benchmark(mine.model_copy(update=elsewhere), None)


@pytest.mark.parametrize("name", COUNTS)
def test_the_real_rows_are_read_where_they_lie(name, web):
    local = real(name)
    with (DATA / f"{name}.jsonl").open() as file:
        rows = [json.loads(line) for line in file]
    if isinstance(benchmark(name), HubSet):  # the files that are at hand have more columns
        rows = [{key: row[key] for key in ROWS[name][0] if key in row} for row in rows]
    assert [(problem.question, problem.answer) for problem in whole_benchmark(lying(web, name, rows), None)] == local


def test_a_file_of_the_web_is_the_one_meant_or_refused(web):
    """In one cache, as a user has it: what lies behind the address now is what counts."""
    rows = [{"problem": f"{i}+1?", "solution": f"so \\boxed{{{i + 1}}}"} for i in range(3)]
    meant = references_digest([Problem("", "", str(i + 1)) for i in range(3)])
    mine = lying(web, "minerva_math", rows).model_copy(update={"problems": 3, "digest": meant})
    assert [problem.answer for problem in whole_benchmark(mine, None)] == ["1", "2", "3"]
    rows[1]["solution"] = "so \\boxed{7}"
    written(web[0], "minerva_math", rows)
    with pytest.raises(ConfigError) as caught:
        whole_benchmark(mine, None)
    assert str(caught.value).startswith(f"{web[1]}/minerva_math.jsonl is not the minerva_math meant: its references ")
    assert str(caught.value).endswith(f"conf/benchmark/minerva_math.yaml says {meant}")
    written(web[0], "minerva_math", rows[:2])
    with pytest.raises(ConfigError, match=r"minerva_math.jsonl holds 2 problems, and minerva_math has 3"):
        whole_benchmark(mine, None)


@pytest.mark.parametrize("page", ["<html>\n<p>Sign in</p>\n</html>\n", None])
def test_an_address_without_the_file_is_one_sentence(page, web):
    folder, address = web
    mine = benchmark("olympiadbench", url=f"{address}/test.jsonl")
    if page is None:
        with serving(folder) as closed:
            mine = mine.model_copy(update={"url": f"{closed}/test.jsonl"})
    else:
        (folder / "test.jsonl").write_text(page)
    with pytest.raises(ConfigError) as caught:
        whole_benchmark(mine, None)
    sentence = str(caught.value)
    assert sentence.startswith(f"olympiadbench cannot be read from {mine.url} (") and "\n" not in sentence
    assert sentence.endswith("; score.data_dir=folder reads olympiadbench.jsonl instead")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_hub_model(tmp_path_factory.mktemp("models") / "model")


def scoring(folder: Path, model: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """``python -m pure_repro stages=[score]`` with nothing fetched before."""
    own = ("stages=[score]", "model=local", f"model.path={model}", "model.dtype=float32", "track=none")
    return subprocess.run(
        [sys.executable, "-m", "pure_repro", *own, "score=benchmarks", "score.max_new_tokens=12", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "HF_HOME": str(folder / "home")} | environment,
        capture_output=True,
        text=True,
    )


def test_the_papers_five_are_downloaded_and_scored(model, web, tmp_path):
    """From the first request to the kept responses, over HTTP; hub and web are two servers of this machine."""
    folder, address = web
    five = {name: reference for name, reference in zip(ROWS, REFERENCES, strict=True) if name not in ("gsm8k", "math")}
    sets = []
    for name, reference in five.items():
        mine, where = benchmark(name), ""
        if isinstance(mine, HubSet):
            repository(folder / "datasets" / mine.hub / "resolve" / mine.revision, name, ROWS[name])
        else:
            written(folder, name, ROWS[name])
            where = f", url: '{address}/{name}.jsonl'"
        sets.append(f"{{name: {name}, problems: 1, digest: {references_digest([Problem('', '', reference)])}{where}}}")
    with serving(folder) as hub:
        run = scoring(tmp_path, model, f"score.benchmarks=[{','.join(sets)}]", "store=store", HF_ENDPOINT=hub)
    assert run.returncode == 0, run.stderr
    [kept] = tmp_path.glob("store/score/*/generations.jsonl.gz")
    with gzip.open(kept, "rt") as file:
        assert {row["set"]: row["answer"] for row in map(json.loads, file)} == five


@pytest.mark.parametrize("name", ["math500", pytest.param("minerva_math", marks=pytest.mark.slow)])
def test_a_source_that_is_not_reached_is_one_sentence(name, model, tmp_path):
    with serving(tmp_path) as closed:
        pass
    where = f"{{name: minerva_math, url: '{closed}/test.jsonl'}}" if name == "minerva_math" else name
    run = scoring(tmp_path, model, f"score.benchmarks=[{where}]", HF_HUB_OFFLINE="1")
    assert run.returncode == 2 and "Traceback" not in run.stderr
    assert run.stderr.splitlines()[-1].startswith(f"pure-repro: {name} cannot be read from ")
    assert run.stderr.splitlines()[-1].endswith(f"; score.data_dir=folder reads {name}.jsonl instead")


def test_another_set_under_the_same_name_is_refused(tmp_path):
    rows = [{"problem": f"{i}+1?", "answer": str(i + 1)} for i in range(30)]
    with pytest.raises(ConfigError, match=r"aime24.jsonl is not the aime24 meant: its references have the digest"):
        whole_benchmark(benchmark("aime24"), written(tmp_path, "aime24", rows))
    with pytest.raises(ConfigError, match=r"aime24.jsonl holds 29 problems, and aime24 has 30"):
        whole_benchmark(benchmark("aime24"), written(tmp_path, "aime24", rows[1:]))


def test_one_changed_reference_is_noticed(tmp_path):
    rows = [{"problem": question, "answer": answer} for question, answer in real("aime24")]
    assert len(whole_benchmark(benchmark("aime24"), written(tmp_path, "aime24", rows))) == 30
    rows[7]["answer"] = "100"
    with pytest.raises(ConfigError, match="not the aime24 meant"):
        whole_benchmark(benchmark("aime24"), written(tmp_path, "aime24", rows))


def test_amc_answers_are_floats(tmp_path):
    assert read(tmp_path, "amc23", [{"question": "?", "answer": 27.0}, {"question": "?", "answer": -1.0}]) == [
        "27",
        "-1",
    ]
    assert all(answers_match("27", reference) for reference in ("27.0", "27"))
    with pytest.raises(ConfigError, match=r"amc23.jsonl:1: 'answer' holds no answer of the type 'integer': 0.5"):
        read(tmp_path, "amc23", [{"question": "?", "answer": 0.5}])


def test_aime_answers_have_leading_zeros(tmp_path):
    references = read(tmp_path, "aime24", [{"problem": "?", "answer": answer} for answer in ("025", 25)])
    assert references == ["25", "25"], "one answer, however the source writes it"
    assert [grade(f"\\boxed{{{said}}}", "25").correct for said in ("25", "025", "250")] == [True, True, False]
    with pytest.raises(ConfigError, match="no answer of the type 'integer': '2/5'"):
        read(tmp_path, "aime24", [{"problem": "?", "answer": "2/5"}])


def test_gsm8k_answers_follow_hashes(tmp_path):
    [reference] = read(tmp_path, "gsm8k", [{"question": "?", "answer": "2*1,062=<<2*1062=2125>>2125\n#### 2,125"}])
    assert reference == "2125" and grade(r"\boxed{\$2,125}", reference).correct
    assert answers_match("125, 2", "2,125") and not answers_match("125, 2", reference), "a number, and no list of two"


def test_a_list_is_an_answer_where_lists_are(tmp_path):
    several = [{"problem": "?", "answer": ["1", "2"]}]
    with pytest.raises(ConfigError, match="'answer' holds no answer of the type 'expression'"):
        read(tmp_path, "math500", several)
    lists = benchmark("math500", problems=1, digest=None, answer_type="list")
    assert whole_benchmark(lists, written(tmp_path, "math500", several))[0].answer == "1, 2"


@pytest.mark.parametrize(
    ("final_answer", "right", "wrong"),
    [
        (["$\\frac{41}{12}$"], r"\frac{41}{12}\text{ km}", r"\frac{12}{41}"),  # the unit is a column of its own
        (["$69$,$84$"], "84, 69", "69"),
        (["$(0,2),(0,-2)$"], "(0,-2), (0,2)", "(2,0), (0,-2)"),
        (["$f(x)=x$,$f(x)=2-x$"], "f(x)=2-x, f(x)=x", "f(x)=x"),
        (["$90^{\\circ}$,$60^{\\circ}$"], r"60^\circ, 90^\circ", r"60^\circ"),
        (["$1$", "$2$"], "1, 2", "1"),
    ],
)
def test_olympiadbench_answers_are_lists(tmp_path, final_answer, right, wrong):
    [reference] = read(tmp_path, "olympiadbench", [{"question": "?", "final_answer": final_answer}])
    assert grade(f"\\boxed{{{right}}}", reference).correct
    assert not grade(f"\\boxed{{{wrong}}}", reference).correct


def test_minerva_answers_are_measured(tmp_path):
    mine = benchmark("minerva_math")
    solution = r"\[ L \simeq \boxed{4.5e33} \mathrm{ergs} \mathrm{s}^{-1} \simeq 1 L_{\odot} \]"
    [reference] = read(tmp_path, "minerva_math", [{"problem": "?", "solution": solution}])
    assert reference == "4.5e33"
    near, far = r"\boxed{4.52 \times 10^{33}}", r"\boxed{4.6 \times 10^{33}}"
    assert [grade(said, reference, rel_tol=mine.rel_tol).correct for said in (near, far)] == [True, False]
    assert not grade(near, reference).correct, "only this benchmark has a tolerance"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "mine.jsonl:2: no JSON ("),
        ("[1]", "mine.jsonl:2: a line must be a JSON object"),
        ('{"q": "1+1"}', "mine.jsonl:2: there is no 'a' among 'q'"),
        ('{"q": "", "a": "2"}', "mine.jsonl:2: 'q' must be text that is not empty"),
        ('{"q": 5, "a": "2"}', "mine.jsonl:2: 'q' must be text that is not empty"),
        ('{"q": "1+1", "a": {}}', "mine.jsonl:2: 'a' holds no answer of the type 'list': {}"),
        ('{"q": "1+1", "a": null}', "mine.jsonl:2: 'a' holds no answer of the kind 'text'"),
        ('{"q": "1+1", "a": true}', "mine.jsonl:2: 'a' holds no answer of the type 'list': True"),
    ],
)
def test_a_malformed_line_is_named(tmp_path, line, sentence):
    path = tmp_path / "mine.jsonl"
    path.write_text(f'{{"q": "1+1", "a": 2}}\n{line}\n')
    with pytest.raises(ConfigError) as caught:
        read_file(FileSet(name="mine", path=path, question="q", answer="a"))
    assert str(caught.value).startswith(f"{tmp_path}/{sentence}") and "\n" not in str(caught.value)


def test_a_users_file_is_read(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"q": "1+1\\u2028?", "a": 2}\n\n{"q": "half", "a": "\\\\frac12"}\n')
    problems = read_file(FileSet(name="mine", path=path, question="q", answer="a"))
    assert [(p.id, p.question, p.answer) for p in problems] == [
        ("mine/0", "1+1\u2028?", "2"),
        ("mine/1", "half", "\\frac12"),
    ]
    with pytest.raises(ConfigError, match=r"nowhere.jsonl cannot be read: No such file or directory"):
        read_file(FileSet(name="mine", path=tmp_path / "nowhere.jsonl", question="q", answer="a"))
