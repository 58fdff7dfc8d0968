using System.CommandLine;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Push;
using OrleansCache.Cli.Settings;
using OrleansCache.Cli.Store;
using OrleansCache.Cli.Terminal;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Commands;

/// <summary><c>push [--pin NAME] PATH… | --stdin</c></summary>
internal static class PushCommand
{
    /// <summary>The server's limit, checked before any request.</summary>
    private const int MaxPaths = 100_000;

    public static Command Create(CommonOptions common)
    {
        var paths = new Argument<string[]>("PATH")
        {
            Description = "Store paths, or links to them such as ./result.",
            Arity = ArgumentArity.ZeroOrMore
        };
        var stdin = new Option<bool>("--stdin") { Description = "Read paths from standard input, one a line." };
        var level = NumberOption.Create("--level", 1, 19, "zstd level, 1 (fast) to 19 (small). [default: 3]");
        var jobs = NumberOption.Create("--jobs", 1, 256, "NARs read and compressed at once. [default: the number of processors]", "-j");
        var json = new Option<bool>("--json") { Description = "Print the result as one line of JSON on standard output." };
        var noLogs = new Option<bool>("--no-logs") { Description = "Do not send build logs." };
        var noRealisations =
            new Option<bool>("--no-realisations") { Description = "Do not send the realisations of content-addressed derivations." };
        var quiet = new Option<bool>("--quiet", "-q") { Description = "Show no progress; errors only." };
        var pin = PinOptions.Pin();
        var (expires, keep) = (PinOptions.Expires(), PinOptions.KeepRevisions());
        var command = new Command("push", "Push store paths and everything they need to the cache.") { paths, stdin, level, jobs, json,
            noLogs, noRealisations, quiet, pin, expires, keep };
        command.SetAction(async (result, cancellationToken) =>
        {
            var arguments = new Arguments(
                result.GetValue(paths) ?? [], result.GetValue(stdin), result.GetValue(json), !result.GetValue(noLogs),
                !result.GetValue(noRealisations), result.GetValue(quiet),
                PinOptions.OfPush(result.GetValue(pin), result.GetValue(expires), result.GetValue(keep)));
            await RunAsync(common.Resolve(result, result.GetValue(level), result.GetValue(jobs)), arguments, cancellationToken);
        });
        return command;
    }

    private sealed record Arguments(string[] Paths, bool Stdin, bool Json, bool Logs, bool Realisations, bool Quiet, PushPin? Pin);

    private static async Task RunAsync(ServerSettings settings, Arguments arguments, CancellationToken cancellationToken)
    {
        var time = TimeProvider.System;
        var started = time.GetTimestamp();
        var roots = await RootsAsync(arguments, cancellationToken);
        if (arguments.Pin is { } pin && roots.Length != 1)
            throw new CliException(ExitCodes.Usage, $"--pin {pin.Name} is for one path, and {Text.Count(roots.Length, "path")} are named.");
        if (roots.Length == 0)
        {
            await Console.Error.WriteLineAsync("nothing to push: standard input names no path");
            return;
        }

        var token = settings.ReadToken();
        await using var display = ProgressDisplay.Create(arguments.Quiet);
        var progress = new PushProgress { Note = display.Note };
        var retry = new RetryPolicy { OnRetry = (what, delay) => display.Note($"{what}; trying again in {Text.Duration(delay)}") };
        var options = new PushOptions { Level = settings.Level, Jobs = settings.Jobs, Logs = arguments.Logs };
        using var http = Connections.Open(options.Uploads * 2);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);

        // The first request runs while Nix looks up the closure: a mistyped URL shows at once, and the connection is warm for begin.
        progress.Phase = "looking up the closure";
        display.Show(progress);
        var greeting = GreetAsync(settings, new Api(http, settings.Url, settings.Cache, token, CommonOptions.First(retry)), stop.Token);
        var lookup = LookUpAsync(roots, arguments, progress, stop.Token);
        var first = await Task.WhenAny(greeting, lookup);
        if (!first.IsCompletedSuccessfully)
            await stop.CancelAsync();
        await first;
        await greeting;
        var (closure, places) = await lookup;
        options = options with { StoreDir = places.Store, CaseHack = places.CaseHack };
        var lookedUp = time.GetElapsedTime(started);

        var api = new Api(http, settings.Url, settings.Cache, token, retry);
        var pusher = new Pusher(api, new UploadClient(http, retry), options, progress, time);
        var result = await ServerCall.RefusalExplained(settings, pusher.RunAsync(closure, cancellationToken)) with
        {
            Roots = roots,
            PathInfo = lookedUp,
            Total = time.GetElapsedTime(started)
        };
        await display.DisposeAsync();
        Print(result, arguments, closure);
    }

    private static async Task<StorePath[]> RootsAsync(Arguments arguments, CancellationToken cancellationToken)
    {
        var names = arguments.Paths.SelectMany(PathList.Words).ToList();
        if (arguments.Stdin)
        {
            names.AddRange(await PathList.ReadAsync(cancellationToken));
        }
        else if (names.Count == 0)
        {
            throw new CliException(ExitCodes.Usage,
                "Nothing to push: name store paths, or pass them with --stdin. For example: orleans-cache push ./result");
        }

        // A script may compute an empty list: that is no error.
        return [.. names.Select(StoreArgument.Resolve).Distinct()];
    }

    private static async Task GreetAsync(ServerSettings settings, Api api, CancellationToken cancellationToken)
    {
        try
        {
            var info = await api.InfoAsync(cancellationToken);
            if (info.StoreDir != StorePath.StoreDir)
                throw new CliException(ExitCodes.Usage,
                    $"The cache '{settings.Cache}' holds paths of {info.StoreDir}, not of {StorePath.StoreDir}.");
        }
        catch (CliException e) when (e.ExitCode == ExitCodes.Unreachable)
        {
            throw CommonOptions.Unreachable(settings, e);
        }
        catch (CacheException e)
        {
            throw new CliException(e.ExitCode, e.Message, e);
        }
    }

    private static async Task<(LocalClosure Closure, NixPlaces Places)> LookUpAsync(StorePath[] roots, Arguments arguments,
        PushProgress progress, CancellationToken cancellationToken)
    {
        var store = new LocalStore();
        // Both at once, as each starts a program.
        var asking = store.PlacesAsync(cancellationToken);
        var looking = store.ClosureAsync(roots, cancellationToken);
        var places = await asking;
        var paths = (await looking).ToDictionary(found => found.Key, found => LocalNar.Sized(found.Value, places, cancellationToken));
        if (paths.Count > MaxPaths)
            throw new CliException(ExitCodes.Usage,
                $"The closure has {Text.Count(paths.Count, "path")}; one push takes at most {MaxPaths:N0}. Push some of its parts first, " +
                "each in a push of its own.");
        string? warning = null;
        var realisations = arguments.Realisations ? new Realisations(places.Database).Find(paths, out warning) : [];
        if (warning is not null)
            progress.Note($"warning: {warning}");
        var closure = new LocalClosure
        {
            Roots = roots,
            Paths = paths,
            Logs = arguments.Logs ? new BuildLogs(places.BuildLogs).Of(paths.Values) : new Dictionary<StorePath, (StorePathHash, string)>(),
            Realisations = realisations.ToDictionary(realisation => realisation.Id),
            Pin = arguments.Pin,
        };
        return (closure, places);
    }

    private static void Print(PushResult result, Arguments arguments, LocalClosure closure)
    {
        foreach (var conflict in result.Conflicts)
            Console.Error.WriteLine(
                $"warning: the cache has other contents of {closure.Paths[conflict].Path} and keeps them (a build that is not reproducible)");
        if (result.Unverified.Count > 0)
            Console.Error.WriteLine(
                $"warning: another trust group published {Text.Count(result.Unverified.Count, "path")}, " +
                $"{closure.Paths[result.Unverified[0]].Path} for one, and no server has read the bytes");
        if (arguments.Json)
            Console.Out.WriteLine(result.ToJson());
        else if (!arguments.Quiet)
            Console.Out.WriteLine(Summary(result));
    }

    private static string Summary(PushResult result)
    {
        var pinned = result.Pin is null ? "" : $"; pinned as {result.Pin}";
        var total = Text.Duration(result.Total);
        if (result.Uploaded == 0 && result.Published == 0)
            return $"{Text.Count(result.Paths, "path")}, all of them there already{pinned} ({total})";
        return $"{Text.Count(result.Paths, "path")}: {result.Present:N0} there already, {result.Uploaded:N0} uploaded " +
            $"({Text.Bytes(result.NarBytes)}, sent as {Text.Bytes(result.FileBytes)}), {result.Published:N0} published{pinned} ({total})";
    }
}
