using System.CommandLine;
using System.CommandLine.Invocation;

namespace OrleansCache.Cli.Commands;

/// <summary>The command line.</summary>
internal static class RootCommands
{
    public static RootCommand Create()
    {
        var common = new CommonOptions();
        var root = new RootCommand("Push Nix store paths to an OrleansCache server.");
        root.Subcommands.Add(PushCommand.Create(common));
        common.AddTo(root);
        foreach (var option in root.Options)
        {
            if (option is VersionOption version)
                version.Action = new PrintVersion();
        }

        return root;
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
}
