using OrleansCache.Cli.Common;
using OrleansCache.Cli.Push;
using OrleansCache.Cli.Store;
using OrleansCache.Cli.Terminal;

namespace OrleansCache.Cli.Commands;

/// <summary>
/// Pushes roots as they come, many in a push, each push visible as a whole. One that cannot be pushed is told and keeps none of the others.
/// </summary>
internal sealed class PushStream(PushCall call, ProgressDisplay display, bool json, bool quiet)
{
    private readonly PushTotals _totals = new();
    private readonly RootBatches _batches = new(TimeProvider.System);

    /// <returns>The exit code: of the first root that is not in the cache and should be.</returns>
    public async Task<int> RunAsync(string[] paths, CancellationToken cancellationToken)
    {
        var time = TimeProvider.System;
        var started = time.GetTimestamp();
        using var server = call.OpenServer(display.Note);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        // The thread that reads cannot be interrupted; it ends with the program.
        _ = Task.Factory.StartNew(() => Read(paths, stop.Token), CancellationToken.None, TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        try
        {
            for (var isFirst = true; await _batches.NextAsync(cancellationToken) is { } roots; isFirst = false)
            {
                if (isFirst)
                    await server.GreetAsync(cancellationToken);
                var progress = new PushProgress { Note = display.Note };
                display.Show(progress);
                var batch = new BatchPusher((some, cancel) => server.PushAsync(call.Lookup, some, progress, cancel));
                foreach (var answer in await batch.PushAsync(roots, _totals.Add, cancellationToken))
                    Tell(answer);
                progress.Phase = "waiting for more paths";
            }
        }
        finally
        {
            await stop.CancelAsync();
        }

        await display.DisposeAsync();
        await SummarizeAsync(time.GetElapsedTime(started));
        return _totals.ExitCode;
    }

    private void Read(string[] paths, CancellationToken cancellationToken)
    {
        try
        {
            foreach (var name in paths.SelectMany(PathList.Words))
                Take(name, cancellationToken);
            PathList.Read(name => Take(name, cancellationToken));
            _batches.Complete();
        }
        catch (Exception e)
        {
            _batches.Complete(e);
        }
    }

    private void Take(string name, CancellationToken cancellationToken)
    {
        try
        {
            var adding = _batches.AddAsync(StoreArgument.Resolve(name), cancellationToken);
            if (!adding.IsCompletedSuccessfully)
                adding.AsTask().GetAwaiter().GetResult();
        }
        catch (CliException e)
        {
            display.Note($"orleans-cache: {e.Message}");
            _totals.Fail(e.ExitCode);
            if (json)
                WriteLine(StreamJson.Line(name, e.Message));
        }
    }

    private void Tell(RootAnswer answer)
    {
        _totals.Add(answer);
        if (json)
            WriteLine(StreamJson.Line(answer));
        if (answer.Outcome is RootOutcome.LeftOut)
            display.Note(answer.Why!);
        else if (!answer.IsInCache)
            display.Note($"orleans-cache: {answer.Root} is not pushed: {answer.Why}");
    }

    private async Task SummarizeAsync(TimeSpan total)
    {
        if (_totals.Roots == 0 && _totals.ExitCode == ExitCodes.Ok)
            await Console.Error.WriteLineAsync("nothing to push: standard input names no path");
        if (json)
            WriteLine(StreamJson.Line(_totals, total));
        else if (!quiet && _totals.Roots > 0)
            WriteLine(_totals.ToText(total));
    }

    // Whoever feeds paths may wait for the answer.
    private static void WriteLine(string line)
    {
        Console.Out.WriteLine(line);
        Console.Out.Flush();
    }
}
