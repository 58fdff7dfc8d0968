using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Settings;

namespace OrleansCache.Cli.Commands;

/// <summary>The command line.</summary>
internal static class RootCommands
{
    private static readonly Dictionary<string, string> Examples = new()
    {
        [""] = """
              orleans-cache push ./result                     push what nix-build or nix build has just made
              orleans-cache push --pin app ./result           … and give it a name that deployments follow
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
              orleans-cache push --pin app --keep-revisions 5 ./result
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
        ["path"] = """
              orleans-cache path ./result
              orleans-cache path 0c5b8vw40dy178xlpddw65q9gf1h2186 --json | jq -r '.referrers[]'
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
        ["pins"] = """
              orleans-cache push --pin app ./result           push and pin in one: either both or neither
              orleans-cache pins list
              nix-store -r $(curl -fsS https://cache.example.org/pins/app)

            A pin keeps its path, and all that it needs, in the cache until it is moved, deleted or expires.
            """,
        ["pins create"] = """
              orleans-cache pins create app ./result          makes the pin, or moves it
              orleans-cache pins create pr-123 ./result --expires 30d
              orleans-cache pins create app ./result --keep-revisions 5     so that a rollback finds its path
              orleans-cache pins create app ./result --if-revision 7        only if nobody has moved it meanwhile
            """,
        ["pins list"] = """
              orleans-cache pins list
              orleans-cache pins list --names-only | grep '^pr-'
              orleans-cache pins list --json
            """,
        ["pins show"] = """
              orleans-cache pins show app
            """,
        ["pins delete"] = """
              orleans-cache pins delete pr-123
            """,
        ["pins rollback"] = """
              orleans-cache pins rollback app                 to the path before
              orleans-cache pins rollback app 7               to that of revision 7 (see: pins show app)
            """,
        ["tokens"] = """
              orleans-cache tokens create --name ci --scope push > ci-token
              orleans-cache tokens list
              orleans-cache tokens revoke ci

            The token in use needs the scope admin; the one that the server made at its first start has it.
            """,
        ["tokens create"] = """
              (umask 077; orleans-cache tokens create --name ci --scope push > ci-token)
              orleans-cache tokens create --name deploy --scope push,pin --pins 'prod-*' --expires 90d > deploy-token
              orleans-cache tokens create --name readers --scope read        to read from a private cache

            The secret is printed on standard output, once: nobody can be told it again.
            """,
        ["tokens list"] = """
              orleans-cache tokens list
              orleans-cache tokens list --revoked --json
            """,
        ["tokens revoke"] = """
              orleans-cache tokens revoke ci
              orleans-cache tokens revoke 7                   by its ID in the list
            """,
        ["whoami"] = """
              orleans-cache whoami
              orleans-cache whoami --token-file ./jwt --json
            """,
        ["oidc check"] = """
              orleans-cache oidc check ./jwt                  which rules match a job's token, and why the others do not
              printenv ID_TOKEN | orleans-cache oidc check -

            The token in use, which is not the one that is checked, needs the scope admin. Exits with 1 when no rule lets the token in.
            """,
        ["subjects block"] = """
              orleans-cache subjects block oidc:ci/1296269 --reason 'its runner was taken over'
              orleans-cache subjects block 'oidc:*1296269*'   whatever rules it matches
              orleans-cache subjects block token:7

            Every server refuses them from the next request on, and their open pushes end.
            """,
        ["subjects unblock"] = """
              orleans-cache subjects unblock oidc:ci/1296269
              orleans-cache subjects unblock 3                by its ID in the list
            """,
        ["audit"] = """
              orleans-cache audit
              orleans-cache audit --since 30d --by token:7    what one token did
              orleans-cache audit --action pin --json | jq -r .subject

            The token in use needs the scope admin.
            """,
        ["paths"] = """
              orleans-cache paths --by token:7
              orleans-cache paths --by token:7 --since 2d
            """,
        ["evict"] = """
              orleans-cache evict ./result                    what would go?
              orleans-cache evict ./result --reason 'built on a broken machine' --yes
              orleans-cache evict --by token:7 --since 2d     all that it published in two days

            What refers to the paths goes with them. The token in use needs the scope admin.
            """,
        ["bars"] = """
              orleans-cache bars list
              orleans-cache bars lift 3
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
            PinsCommand.Create(common),
            TokensCommand.Create(common),
            SubjectsCommand.Create(common),
            OidcCommand.Create(common),
            WhoAmICommand.Create(common),
            AuditCommand.Create(common),
            WithdrawCommands.Paths(common),
            WithdrawCommands.Evict(common),
            WithdrawCommands.Bars(common),
            GcCommand.Create(common),
            PathCommand.Create(common),
            WhyCommand.Create(common),
            FsckCommand.Create(common),
            InfoCommand.Create(common),
            DoctorCommand.Create(common),
            CompletionCommand.Create(),
        };
        common.AddTo(root);
        TextValues.Require(root);
        foreach (var option in root.Options)
        {
            if (option is VersionOption version)
                version.Action = new PrintVersion();
            else if (option is HelpOption { Action: HelpAction standard } help)
                help.Action = new HelpWithExamples(standard);
        }

        return root;
    }

    /// <summary>
    /// True when the command changes something on the server. Its exit code then reports the change, even when its text cannot be written.
    /// </summary>
    public static bool Changes(ParseResult result) => result.CommandResult.Command.Name
        is "push" or "create" or "delete" or "rollback" or "revoke" or "gc" or "cancel" or "evict" or "lift";

    /// <summary>Parses the command line; an error is shown without the whole help.</summary>
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
            if (Examples.TryGetValue(Words(command), out var examples))
                parseResult.InvocationConfiguration.Output.WriteLine($"Examples:\n{examples}\n");
            return code;
        }

        /// <summary>The words that call the command, such as <c>pins create</c>.</summary>
        private static string Words(Command command) =>
            command is RootCommand ? ""
                : string.Join(' ', [.. command.Parents.OfType<Command>().Select(Words).Where(w => w.Length > 0), command.Name]);
    }
}
