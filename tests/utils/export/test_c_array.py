"""C source holds the file byte by byte: compiled where there is a compiler, else read."""

import re
import shutil
import subprocess

import pytest

from tests.utils.export.systems import system
from utils.errors import UserError
from utils.export.c_array import main, write_c_array

PROGRAM = """
#include <stdint.h>
#include <stdio.h>
#include "{header}"
#include "{header}"
int main(void) {{
  if ((uintptr_t){name} % 16) return 3;
  return fwrite({name}, 1, {name}_len, stdout) == {name}_len ? 0 : 4;
}}
"""


@pytest.fixture
def model(tmp_path, rng):
    """An int8 file."""
    return system(tmp_path, rng, formats=("int8",))[0]["int8"]


def test_the_array_is_the_file(model):
    header, source = write_c_array(model)
    assert (header.name, source.name) == ("model_int8.h", "model_int8.c")
    text = source.read_text()
    found = bytes(int(byte, 16) for byte in re.findall(r"0x([0-9a-f]{2}),", text))
    assert found == model.read_bytes()
    assert f"const unsigned int model_int8_len = {len(found)};" in text
    assert "alignas(16) const unsigned char model_int8[] = {" in text
    told = header.read_text()
    assert "#ifndef MODEL_INT8_H\n#define MODEL_INT8_H\n" in told
    assert "Classes: 0 airport, 1 bus, 2 tram station" in told
    assert re.search(
        r"Input 0: int8 \[1, 6, \d+, 1\], value = [\d.e-]+ \* \(number - -?\d+\)", told
    )


COMPILERS = [("cc", "-std=c11", "c"), ("c++", "-std=c++11", "cpp")]


@pytest.mark.parametrize(("compiler", "standard", "ending"), COMPILERS)
def test_it_compiles_without_a_warning_to_the_same_bytes(
    tmp_path, model, compiler, standard, ending
):
    if shutil.which(compiler) is None:
        pytest.skip(f"no compiler {compiler}; the test above reads the source instead")
    header, source = write_c_array(model, tmp_path / "firmware" / "net-1.h", name="g_net")
    renamed = source.rename(source.with_suffix(f".{ending}"))
    program = source.with_name(f"main.{ending}")
    program.write_text(PROGRAM.format(header=header.name, name="g_net"))
    flags = [standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    command = [compiler, *flags, str(program), str(renamed), "-o", str(tmp_path / "run")]
    subprocess.run(command, check=True, capture_output=True)
    said = subprocess.run([str(tmp_path / "run")], check=True, capture_output=True)
    assert said.stdout == model.read_bytes()


def test_names_that_c_has_not(tmp_path, model):
    odd = model.rename(tmp_path / "2 models-é.tflite")
    header, source = write_c_array(odd)
    assert "const unsigned char _2_models__[]" in source.read_text()
    assert "#ifndef _2_MODELS___H" in header.read_text()
    with pytest.raises(UserError, match="--name: 'a b' is no name in C; take a_b"):
        write_c_array(odd, name="a b")


def test_the_command(tmp_path, model, capsys):
    assert main([str(model), "-o", str(tmp_path / "model.h"), "--name", "g_model"]) == 0
    written = capsys.readouterr().out.splitlines()
    assert written == [f"written to {tmp_path / f'model.{ending}'}" for ending in "hc"]
    assert "g_model_len" in (tmp_path / "model.h").read_text()
    (tmp_path / "text.tflite").write_text("no model at all")
    assert main([str(tmp_path / "text.tflite")]) == 2
    assert "is not a TensorFlow Lite file" in capsys.readouterr().err
    assert not (tmp_path / "text.h").exists()
