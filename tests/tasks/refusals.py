"""What a script says when it refuses a command."""


def refusal(capsys, script, *arguments) -> str:
    """Run a command that must be refused; give its sentence."""
    capsys.readouterr()
    assert script(*arguments) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert "Traceback" not in message
    assert len(message.strip().splitlines()) == 1
    return message
