using OrleansCache.Core.Common;
using OrleansCache.Core.Publish;

namespace OrleansCache.Gateway.Hosting;

/// <summary>The programs of <c>--sign-command</c>.</summary>
internal sealed class SigningCommands : IAsyncDisposable
{
    private readonly List<SigningCommand> _all = [];

    public IReadOnlyList<SigningCommand> All => _all;

    /// <exception cref="StartupException">One does not name a key.</exception>
    public static async Task<SigningCommands> StartAsync(IReadOnlyList<string> commands, ILogger logger,
        CancellationToken cancellationToken)
    {
        var started = new SigningCommands();
        try
        {
            foreach (var command in commands)
                started._all.Add(await SigningCommand.StartAsync(command, logger, TimeProvider.System, cancellationToken));
            return started;
        }
        catch
        {
            await started.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var command in _all)
            await command.DisposeAsync();
    }
}
