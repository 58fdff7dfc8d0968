using System.CommandLine;
using System.Net.Http.Headers;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Import;
using OrleansCache.Cli.Push;
using OrleansCache.Cli.Settings;
using OrleansCache.Cli.Terminal;

namespace OrleansCache.Cli.Commands;

/// <summary><c>import SOURCE</c>: takes the paths of another binary cache over.</summary>
internal static class ImportCommand
{
    /// <summary>The way to the source takes longer than a processor does for most NARs.</summary>
    private const int LeastJobs = 16;

    public static Command Create(CommonOptions common)
    {
        var source = new Argument<string>("SOURCE")
        {
            Description = "A folder, s3://BUCKET[/PREFIX][?endpoint=…&region=…&profile=…&anonymous=true], https://… or http://…",
        };
        var what = new ImportSourceOptions();
        var level = NumberOption.Create("--level", 1, 19, "zstd level for what is compressed anew, 1 (fast) to 19 (small). [default: 3]");
        var jobs = NumberOption.Create("--jobs", 1, 256, $"NARs read at once. [default: the number of processors, {LeastJobs} at least]", "-j");
        var json = new Option<bool>("--json") { Description = "Print the result as one line of JSON on standard output." };
        var quiet = new Option<bool>("--quiet", "-q") { Description = "Show no progress; errors and refused paths only." };
        var noUpstream = new Option<bool>("--no-upstream") { Description = "Store also what an upstream of the cache has." };
        var command = new Command("import", "Take the paths of another binary cache over.")
        {
            source, level, jobs, noUpstream, json, quiet,
        };
        what.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            var settings = common.Resolve(result, result.GetValue(level), result.GetValue(jobs));
            await using var display = ProgressDisplay.Create(result.GetValue(quiet));
            var parallel = result.GetValue(jobs) ?? Math.Max(LeastJobs, settings.Jobs);
            var options = new PushOptions
            {
                Level = settings.Level,
                Jobs = parallel,
                LogReaders = parallel,
                Upstream = !result.GetValue(noUpstream),
            };
            var address = SourceAddress.Parse(result.GetRequiredValue(source));
            var import = what.Of(result, address);
            var retry = new RetryPolicy { OnRetry = (why, delay) => display.Note($"{why}; trying again in {Text.Duration(delay)}") };
            // Its certificate is for the server alone.
            using var http = Connections.Open(SourceGraph.Readers + parallel, settings.Tls, decodes: false);
            using var from = Open(address, http, retry, what.Authorization(result));
            using var server = new PushServer(settings, options, retry);
            await server.GreetAsync(cancellationToken);
            var trust = what.Trust(result);
            foreach (var name in trust.NamesTakenBy((await server.Api.InfoAsync(cancellationToken)).PublicKeys))
                display.Note($"warning: a key of the cache is called '{name}', as that of the source is, and is another one: the signatures " +
                    "of the source are not kept. Give the cache a key of another name first ('orleans-cache keys rotate --name').");
            var importer = new Importer(from, trust, server.Api, server.Uploads, options, import, display.Show, display.Note,
                TimeProvider.System);
            var told = await AskAsync(server, importer, cancellationToken);
            await display.DisposeAsync();
            if (result.GetValue(json))
                await Console.Out.WriteLineAsync(told.ToJson());
            else if (!result.GetValue(quiet))
                await Console.Out.WriteLineAsync(told.ToText());
            return told.ExitCode;
        });
        return command;
    }

    private static async Task<ImportResult> AskAsync(PushServer server, Importer importer, CancellationToken cancellationToken)
    {
        try
        {
            return await server.RefusalExplained(importer.RunAsync(cancellationToken));
        }
        catch (CacheException e)
        {
            throw new CliException(e.ExitCode, e.Message, e);
        }
    }

    private static ISource Open(SourceAddress address, HttpMessageInvoker http, RetryPolicy retry,
        AuthenticationHeaderValue? authorization) => address switch
        {
            SourceAddress.OfFolder folder => new FolderSource(folder.Folder),
            SourceAddress.OfUrl url => new HttpSource(url.Url, http, retry, authorization),
            SourceAddress.OfBucket bucket => new S3Source(bucket, http, retry),
            _ => throw new InvalidOperationException($"{address} is none of them"),
        };
}
