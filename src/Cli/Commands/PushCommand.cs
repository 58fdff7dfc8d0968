using System.CommandLine;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Push;
using OrleansCache.Cli.Store;
using OrleansCache.Cli.Terminal;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Commands;

/// <summary><c>push [--pin NAME] PATH… | --stdin</c></summary>
internal static class PushCommand
{
    public static Command Create(CommonOptions common)
    {
        var paths = new Argument<string[]>("PATH")
        {
            Description = "Store paths, or links to them such as ./result.",
            Arity = ArgumentArity.ZeroOrMore
        };
        var stdin = new Option<bool>("--stdin") { Description = "Push the paths of standard input, one a line, as they come." };
        var json = new Option<bool>("--json")
        {
            Description = "Print the result as one line of JSON on standard output; with --stdin a line for each path, too.",
        };
        var quiet = new Option<bool>("--quiet", "-q") { Description = "Show no progress; errors only." };
        var pushing = new PushingOptions();
        var pin = PinOptions.Pin();
        var (expires, keep) = (PinOptions.Expires(), PinOptions.KeepRevisions());
        var command = new Command("push", "Push store paths and everything they need to the cache.") { paths, stdin, json, quiet, pin,
            expires, keep };
        pushing.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            var arguments = new Arguments(
                result.GetValue(paths) ?? [], result.GetValue(stdin), result.GetValue(json), result.GetValue(quiet),
                PinOptions.OfPush(result.GetValue(pin), result.GetValue(expires), result.GetValue(keep)));
            await using var display = ProgressDisplay.Create(arguments.Quiet);
            var call = pushing.Of(common, result, display.Note);
            if (arguments is { Stdin: true, Pin: null })
                return await new PushStream(call, display, arguments.Json, arguments.Quiet).RunAsync(arguments.Paths, cancellationToken);
            await PushOnceAsync(call, arguments, display, cancellationToken);
            return ExitCodes.Ok;
        });
        return command;
    }

    private sealed record Arguments(string[] Paths, bool Stdin, bool Json, bool Quiet, PushPin? Pin);

    private static async Task PushOnceAsync(PushCall call, Arguments arguments, ProgressDisplay display,
        CancellationToken cancellationToken)
    {
        var time = TimeProvider.System;
        var started = time.GetTimestamp();
        var roots = await RootsAsync(arguments, cancellationToken);
        if (arguments.Pin is { } pin && roots.Length != 1)
            throw new CliException(ExitCodes.Usage, $"--pin {pin.Name} is for one path, and {Text.Count(roots.Length, "path")} are named.");
        var progress = new PushProgress { Note = display.Note };
        using var server = call.OpenServer(display.Note);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);

        // The first request runs while Nix looks up the closure: a mistyped URL shows at once, and the connection is warm for begin.
        progress.Phase = "looking up the closure";
        display.Show(progress);
        var greeting = server.GreetAsync(stop.Token);
        var lookup = call.Lookup.FindAsync(roots, arguments.Pin, stop.Token);
        var first = await Task.WhenAny(greeting, lookup);
        if (!first.IsCompletedSuccessfully)
            await stop.CancelAsync();
        await first;
        await greeting;
        var found = await lookup;
        var lookedUp = time.GetElapsedTime(started);
        foreach (var leftOut in found.LeftOut)
            display.Note(leftOut.ToString());
        if (found.Closure.Roots.Count == 0)
        {
            await display.DisposeAsync();
            if (arguments.Pin is { } unset)
                throw new CliException(ExitCodes.Failed, $"The pin {unset.Name} is not set, as its path is left out.");
            if (arguments.Json)
                await Console.Out.WriteLineAsync(PushResult.NothingToJson(found.LeftOut));
            return;
        }

        var result = await server.PushAsync(found, progress, cancellationToken) with
        {
            Roots = found.Closure.Roots,
            LeftOut = found.LeftOut,
            PathInfo = lookedUp,
            Total = time.GetElapsedTime(started)
        };
        await display.DisposeAsync();
        PushText.Warn(result, found.Closure, Console.Error.WriteLine);
        if (arguments.Json)
            await Console.Out.WriteLineAsync(result.ToJson());
        else if (!arguments.Quiet)
            await Console.Out.WriteLineAsync(PushText.Summary(result, found.LeftOut.Count));
    }

    private static async Task<StorePath[]> RootsAsync(Arguments arguments, CancellationToken cancellationToken)
    {
        var names = arguments.Paths.SelectMany(PathList.Words).ToList();
        if (arguments.Stdin)
            names.AddRange(await PathList.ReadAsync(cancellationToken));
        else if (names.Count == 0)
            throw new CliException(ExitCodes.Usage,
                "Nothing to push: name store paths, or pass them with --stdin. For example: orleans-cache push ./result");
        return [.. names.Select(StoreArgument.Resolve).Distinct()];
    }
}
