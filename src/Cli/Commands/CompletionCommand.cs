using System.CommandLine;

namespace OrleansCache.Cli.Commands;

/// <summary><c>completion SHELL</c>: prints a script that asks this program for completions.</summary>
internal static class CompletionCommand
{
    private const string Bash = """
        # source <(orleans-cache completion bash)
        _orleans_cache() {
            local IFS=$'\n'
            COMPREPLY=($(compgen -W "$(orleans-cache "[suggest:$COMP_POINT]" "$COMP_LINE" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
            # Store paths and ./result are files.
            [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -o filenames -F _orleans_cache orleans-cache
        """;

    private const string Zsh = """
        #compdef orleans-cache
        # source <(orleans-cache completion zsh)
        _orleans_cache() {
            local -a words_found
            words_found=("${(@f)$(orleans-cache "[suggest:$CURSOR]" "$BUFFER" 2>/dev/null)}")
            [[ -n "$words_found" ]] && compadd -- $words_found
            _files
        }
        compdef _orleans_cache orleans-cache
        """;

    private const string Fish = """
        # orleans-cache completion fish | source
        function __orleans_cache_words
            set -l line (commandline -cp)
            orleans-cache "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null
        end
        complete -c orleans-cache -a '(__orleans_cache_words)'
        """;

    public static Command Create()
    {
        var shell = new Argument<string>("SHELL") { Description = "bash, zsh or fish." };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        var command = new Command("completion", "Print a script that completes this program's commands and options in a shell.") { shell };
        command.SetAction(result => Console.Out.WriteLine(result.GetValue(shell) switch
        {
            "zsh" => Zsh,
            "fish" => Fish,
            _ => Bash,
        }));
        return command;
    }
}
