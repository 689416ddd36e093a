"""`cnnviz completion SHELL`: the script that lets a shell complete lines of `cnnviz`."""

from cnnviz_jax.cli.commands.candidates import candidates
from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.tables import print_json
from cnnviz_jax.cli.values import Parser, add_json
from cnnviz_jax.errors import UsageError

# Each asks `cnnviz completion --line -- WORDS` for the words that fit, and offers files where there are none.
SCRIPTS = {
    "bash": """\
_cnnviz() {
    local -a words
    local begun before line
    read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
    [[ ${COMP_LINE:COMP_POINT-1:1} == ' ' ]] && words+=("")
    begun=${words[${#words[@]}-1]}
    # Readline replaces only what stands behind the last : or = of a word.
    before=${begun%"${begun##*[:=]}"}
    COMPREPLY=()
    while IFS=$'\\t' read -r line _; do
        COMPREPLY+=("${line#"$before"}")
    done < <(cnnviz completion --line -- "${words[@]:1}" 2>/dev/null)
}
complete -o bashdefault -o default -F _cnnviz cnnviz
""",
    "zsh": """\
#compdef cnnviz
_cnnviz() {
    local -a found
    local word summary
    while IFS=$'\\t' read -r word summary; do
        found+=("${word//:/\\\\:}:$summary")
    done < <(cnnviz completion --line -- "${(@)words[2,CURRENT]}" 2>/dev/null)
    if (( ${#found} )); then
        _describe -V 'cnnviz' found
    else
        _files
    fi
}
compdef _cnnviz cnnviz
""",
    "fish": """\
function __cnnviz
    set -l words (commandline -opc) (commandline -ct)
    set -l found (cnnviz completion --line -- $words[2..] 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c cnnviz -f -a '(__cnnviz)'
""",
}


def run(words: list[str], settings: Settings) -> int:
    """Print a shell's script, or, for that script, what could stand next on a line."""
    parser = Parser(
        prog="cnnviz completion",
        description="Print the script that lets a shell complete commands, techniques, models, options and their words."
        ' bash: eval "$(cnnviz completion bash)" in ~/.bashrc; zsh: the same with zsh in ~/.zshrc, behind compinit;'
        " fish: cnnviz completion fish | source in config.fish.",
        allow_abbrev=False,
    )
    parser.add_argument("shell", nargs="?", choices=tuple(SCRIPTS), help="whose script")
    parser.add_argument(
        "--line", action="store_true", help="for the scripts: print what fits a line, whose words stand behind --"
    )
    add_json(parser)
    end = words.index("--") if "--" in words else len(words)
    found = parser.parse_args(words[:end])
    if found.line:
        fitting = candidates(words[end + 1 :])
        if found.json:
            print_json([each._asdict() for each in fitting])
        for word, summary in [] if found.json else fitting:
            print(f"{word}\t{summary}")
        return 0
    if found.shell is None:
        raise UsageError(f"say which shell: cnnviz completion {'|'.join(SCRIPTS)}")
    if found.json:
        print_json({"command": "completion", "shell": found.shell, "script": SCRIPTS[found.shell]})
    else:
        print(SCRIPTS[found.shell], end="")
    return 0
