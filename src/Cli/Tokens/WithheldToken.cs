using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;

namespace OrleansCache.Cli.Tokens;

/// <summary>A token that was found and is not sent: nobody has said that it may travel in the clear.</summary>
internal sealed class WithheldToken(TokenSource found, Uri server) : TokenSource
{
    public override string Name => found.Name;

    public override ValueTask<string?> GetAsync(CancellationToken cancellationToken) => throw new CliException(ExitCodes.Usage,
        $"The token from {Name} is not sent to {server}, as everybody on the way could read it: use https://, or say that it may be read by " +
        "naming it with --token-file or --token-command.")
    { IsComplete = true };
}
