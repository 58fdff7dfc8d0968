using System.CommandLine;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Push;
using OrleansCache.Cli.Store;
using OrleansCache.Cli.Terminal;

namespace OrleansCache.Cli.Commands;

/// <summary><c>watch-exec -- COMMAND…</c>: pushes what a command builds while it runs, also when it fails.</summary>
internal static class WatchExecCommand
{
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(5);

    public static Command Create(CommonOptions common)
    {
        // Not text as other arguments are: each may be empty, and have line breaks.
        var words = new Argument<List<string>>("COMMAND")
        {
            Description = "The command and its arguments.",
            Arity = ArgumentArity.OneOrMore,
        };
        var all = new Option<bool>("--all") { Description = "Push what the command fetched or copied here, too." };
        var quiet = new Option<bool>("--quiet", "-q") { Description = "Tell errors only." };
        var pushing = new PushingOptions();
        var command = new Command("watch-exec", "Run a command, and push what it builds.") { words, all, quiet };
        pushing.AddTo(command);
        command.SetAction((result, _) =>
        {
            var isQuiet = result.GetValue(quiet);
            return RunAsync(pushing.Of(common, result, isQuiet ? _ => { } : Tell), result.GetValue(words)!, result.GetValue(all), isQuiet);
        });
        return command;
    }

    private static async Task<int> RunAsync(PushCall call, List<string> words, bool all, bool isQuiet)
    {
        // 1. Where the database is now. Without it the command must not begin: its builds would not be found.
        var places = await new LocalStore().PlacesAsync(CancellationToken.None);
        var built = new BuiltPaths(places.Database);
        var feed = new BuiltFeed(built, all, ReadNewest(built, places.Database));

        // 2. The command, and pushes meanwhile. A wrong setting is told before the command begins.
        using var server = call.OpenServer(_ => { });
        using var child = new ForegroundChild(words);
        var totals = new PushTotals();
        var started = TimeProvider.System.GetTimestamp();
        using var watch = new DatabaseWatch(places.Database, Poll, TimeProvider.System, feed.Wake);
        var feeding = feed.RunAsync();
        var pushing = PushAsync(server, call.Lookup, feed.Batches, totals);
        var code = await child.WaitAsync();

        // 3. The rest.
        feed.End();
        await feeding;
        await pushing;
        if (!isQuiet || totals.NotPushed > 0)
            Tell(totals.Roots == 0 ? "nothing was built here" : totals.ToText(TimeProvider.System.GetElapsedTime(started)));
        return code != ExitCodes.Ok ? code : feed.Failure is null ? totals.ExitCode : ExitCodes.Failed;
    }

    private static long ReadNewest(BuiltPaths built, string database)
    {
        try
        {
            return built.Newest();
        }
        catch (SqliteException e)
        {
            throw new CliException(ExitCodes.Usage,
                $"{database} cannot be read: {e.Message}. What the command builds would not be found, so it is not run.", e);
        }
    }

    private static async Task PushAsync(PushServer server, ClosureLookup lookup, RootBatches batches, PushTotals totals)
    {
        while (await batches.NextAsync(CancellationToken.None) is { } roots)
        {
            var progress = new PushProgress { Note = Tell };
            var batch = new BatchPusher((some, cancel) => server.PushAsync(lookup, some, progress, cancel));
            foreach (var answer in await batch.PushAsync(roots, totals.Add, CancellationToken.None))
            {
                totals.Add(answer);
                if (!answer.IsInCache)
                    Tell(answer.Outcome == RootOutcome.LeftOut ? answer.Why! : $"{answer.Root} is not pushed: {answer.Why}");
            }
        }
    }

    private static void Tell(string line) => Console.Error.WriteLine($"orleans-cache: {line}");
}
