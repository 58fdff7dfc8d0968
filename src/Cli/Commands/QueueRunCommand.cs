using System.CommandLine;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Push;
using OrleansCache.Cli.Queue;
using OrleansCache.Cli.Settings;
using OrleansCache.Cli.Store;
using OrleansCache.Cli.Terminal;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Commands;

/// <summary><c>queue run</c>: the daemon, in the foreground.</summary>
internal static class QueueRunCommand
{
    // The queue tries again itself, and tells meanwhile why.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    public static Command Create(CommonOptions common, Option<string?> queue)
    {
        var watch = new Option<bool>("--watch-store")
        {
            Description = "Push what is built as soon as Nix's database tells of it, without a hook.",
        };
        var all = new Option<bool>("--all") { Description = "From Nix's database, take what was fetched or copied here, too." };
        var beginning = new Option<bool>("--since-beginning")
        {
            Description = "The first time, take all that Nix's database tells of, and not only what comes from now on.",
        };
        var keepTrying = Duration.Option("--keep-trying", "How long a path is tried that cannot be pushed. [default: 7d]");
        var pushing = new PushingOptions();
        var command = new Command("run", "Push what hooks have queued, and what they have missed.") { watch, all, beginning, keepTrying };
        pushing.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            var times = new QueueTimes();
            var arguments = new Arguments(result.GetValue(watch), result.GetValue(all), result.GetValue(beginning),
                times with { KeepTrying = result.GetValue(keepTrying) ?? times.KeepTrying });
            try
            {
                await RunAsync(QueueFolder.Find(result.GetValue(queue), Environment.GetEnvironmentVariable),
                    pushing.Of(common, result, Console.Error.WriteLine), arguments, cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                // A service that is told to end has ended well.
            }
        });
        return command;
    }

    private sealed record Arguments(bool WatchStore, bool All, bool SinceBeginning, QueueTimes Times);

    private static async Task RunAsync(QueueFolder folder, PushCall call, Arguments arguments, CancellationToken cancellationToken)
    {
        folder.Create();
        using var taken = await QueueLock.TakeAsync(folder, cancellationToken);
        var places = await new LocalStore().PlacesAsync(cancellationToken);
        using var socket = WakeSocket.Open(folder, Environment.GetEnvironmentVariable);
        await using var server = new LazyServer(call);
        var daemon = new QueueDaemon(folder, new QueueScan(places.Database, arguments.All, arguments.SinceBeginning), server.PushAsync,
            arguments.Times, TimeProvider.System, Console.Error.WriteLine)
        {
            EndsWhenIdle = socket.IsPassed && !arguments.WatchStore,
        };
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var waking = socket.RunAsync(daemon.Wake, stop.Token);
        using var database = arguments.WatchStore
            ? new DatabaseWatch(places.Database, arguments.Times.Poll, TimeProvider.System, daemon.Scan) : null;
        ServiceManager.TellReady(Environment.GetEnvironmentVariable);
        try
        {
            await daemon.RunAsync(cancellationToken);
        }
        finally
        {
            await stop.CancelAsync();
            await waking.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }
    }

    /// <summary>Connections that are made anew after a failure: another token or certificate may be there then.</summary>
    private sealed class LazyServer(PushCall call) : IAsyncDisposable
    {
        private PushServer? _server;

        public async Task<PushedRoots> PushAsync(IReadOnlyList<StorePath> roots, CancellationToken cancellationToken)
        {
            try
            {
                if (_server is null)
                {
                    _server = call.OpenServer(_ => { }, Patience);
                    await _server.GreetAsync(cancellationToken);
                }

                return await _server.PushAsync(call.Lookup, roots, new PushProgress { Note = Console.Error.WriteLine }, cancellationToken);
            }
            catch (CliException e) when (e.ExitCode is ExitCodes.Unreachable or ExitCodes.Refused)
            {
                await DisposeAsync();
                throw;
            }
        }

        public ValueTask DisposeAsync()
        {
            _server?.Dispose();
            _server = null;
            return ValueTask.CompletedTask;
        }
    }
}
