using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Settings;

namespace OrleansCache.Cli.Commands;

/// <summary>The command line.</summary>
internal static class RootCommands
{
    public static RootCommand Create()
    {
        var common = new CommonOptions();
        var root = new RootCommand("Push Nix store paths to an OrleansCache server.")
        {
            PushCommand.Create(common),
            QueueCommand.Hook(),
            QueueCommand.Create(common),
            WatchExecCommand.Create(common),
            PinsCommand.Create(common),
            DeployCommand.Create(common),
            DeploymentsCommand.Create(common),
            PromoteCommand.Create(common),
            ImportCommand.Create(common),
            ConflictsCommand.Create(common),
            TokensCommand.Create(common),
            CachesCommand.Create(common),
            KeysCommand.Create(common),
            SubjectsCommand.Create(common),
            OidcCommand.Create(common),
            WhoAmICommand.Create(common),
            AuditCommand.Create(common),
            WithdrawCommands.Paths(common),
            WithdrawCommands.Evict(common),
            WithdrawCommands.Bars(common),
            GcCommand.Create(common),
            PathCommand.Create(common),
            UpstreamCommand.Create(common),
            WhyCommand.Create(common),
            FsckCommand.Create(common),
            LoginCommand.Login(common),
            LoginCommand.Logout(common),
            UseCommand.Create(common),
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
        is "push" or "watch-exec" or "flush" or "pause" or "resume" or "run" or "create" or "delete" or "rollback" or "revoke" or "gc"
            or "cancel" or "evict" or "lift" or "login" or "logout" or "use" or "set" or "rotate" or "add" or "activate" or "verify" or "retire"
            or "deploy" or "import";

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
            if (Examples.All.TryGetValue(Words(command), out var examples))
                parseResult.InvocationConfiguration.Output.WriteLine($"Examples:\n{examples}\n");
            return code;
        }

        /// <summary>The words that call the command, such as <c>pins create</c>.</summary>
        private static string Words(Command command) =>
            command is RootCommand ? ""
                : string.Join(' ', [.. command.Parents.OfType<Command>().Select(Words).Where(w => w.Length > 0), command.Name]);
    }
}
