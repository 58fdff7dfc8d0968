using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace OrleansCache.Cli.Commands;

/// <summary>The command line.</summary>
internal static class RootCommands
{
    private static readonly Dictionary<string, string> Examples = new()
    {
        [""] = """
              orleans-cache push ./result                     push what nix-build or nix build has just made
              orleans-cache doctor                            why does it not work?
              source <(orleans-cache completion bash)         complete words in this shell

            Configuration file: ~/.config/orleans-cache/config, lines such as
              url        = https://cache.example.org
              token-file = ~/.config/orleans-cache/token
            """,
        ["push"] = """
              orleans-cache push ./result
              orleans-cache push $(nix-build --no-out-link)
              nix-store -qR --include-outputs app.drv | orleans-cache push --stdin
              orleans-cache push --level 9 --json ./result    smaller and slower; a line of JSON for a script

            Paths that the cache has are not sent again. A push that was interrupted goes on where it was.
            Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no server, 4 not allowed, 130 interrupted.
            """,
        ["gc"] = """
              orleans-cache gc --dry-run                      what would go?
              orleans-cache gc                                with the server's retention, and wait for the end
              orleans-cache gc --older-than 30d --no-wait
              orleans-cache gc --force                        no grace period
              orleans-cache gc status
              orleans-cache gc history --json
              orleans-cache gc cancel

            Durations: 90s, 15m, 6h, 30d. Ctrl-C ends the waiting, not the run.
            Exit codes: 0 done, 1 the run failed or was cancelled, 2 wrong usage, 3 no server, 4 not allowed, 130 interrupted.
            """,
        ["why"] = """
              orleans-cache why ./result
              orleans-cache why /nix/store/0c5b8vw40dy178xlpddw65q9gf1h2186-hello-2.12
              orleans-cache why 0c5b8vw40dy178xlpddw65q9gf1h2186 --json
            """,
        ["fsck"] = """
              orleans-cache fsck
              orleans-cache fsck --json | jq -r .key          the keys in question

            Exit codes: 0 catalog and bucket agree, 1 they do not (or the check was cut off).
            """,
        ["info"] = """
              orleans-cache info --url https://cache.example.org
              orleans-cache info --json
            """,
        ["doctor"] = """
              orleans-cache doctor
              orleans-cache doctor --url http://127.0.0.1:5751 --token-file ./token
            """,
        ["completion"] = """
              source <(orleans-cache completion bash)
              orleans-cache completion fish > ~/.config/fish/completions/orleans-cache.fish
            """,
    };

    public static RootCommand Create()
    {
        var common = new CommonOptions();
        var root = new RootCommand("Push Nix store paths to an OrleansCache server.")
        {
            PushCommand.Create(common),
            GcCommand.Create(common),
            WhyCommand.Create(common),
            FsckCommand.Create(common),
            InfoCommand.Create(common),
            DoctorCommand.Create(common),
            CompletionCommand.Create(),
        };
        common.AddTo(root);
        foreach (var option in root.Options)
        {
            if (option is VersionOption version)
                version.Action = new PrintVersion();
            else if (option is HelpOption { Action: HelpAction standard } help)
                help.Action = new HelpWithExamples(standard);
        }

        return root;
    }

    /// <summary>Of a wrong command line only the error is shown, not the whole help.</summary>
    public static ParseResult Parse(IReadOnlyList<string> args)
    {
        var result = Create().Parse(args);
        if (result.Action is ParseErrorAction error)
            error.ShowHelp = args.Count == 0;
        return result;
    }

    private sealed class PrintVersion : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            parseResult.InvocationConfiguration.Output.WriteLine($"orleans-cache {ThisAssembly.Version}");
            return ExitCodes.Ok;
        }
    }

    private sealed class HelpWithExamples(HelpAction standard) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            var code = standard.Invoke(parseResult);
            var command = parseResult.CommandResult.Command;
            if (Examples.TryGetValue(command is RootCommand ? "" : command.Name, out var examples))
                parseResult.InvocationConfiguration.Output.WriteLine($"Examples:\n{examples}\n");
            return code;
        }
    }
}
