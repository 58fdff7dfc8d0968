using System.Net;
using System.Security.Cryptography;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Push;
using OrleansCache.Contracts;

namespace OrleansCache.Bench.Cluster;

/// <summary>
/// A client that asks and sends what the CLI asks and sends, with NARs that are ready: (1) begin; (2) our own grants are uploaded, and
/// reported once a second; (3) what others upload is waited for, and taken over when they fail; (4) commit.
/// </summary>
internal sealed class Runner(Api api, HttpMessageInvoker http, RetryPolicy retry)
{
    // As the CLI has them.
    private const int Uploads = 32;
    private static readonly TimeSpan WaitPause = TimeSpan.FromSeconds(1);

    public Api Api => api;

    /// <summary>Returns when it is committed.</summary>
    /// <exception cref="CacheException">The server refuses it.</exception>
    public async Task PushAsync(Cargo cargo)
    {
        // 1
        var opened = await api.BeginAsync(cargo.Begin, Guid.NewGuid().ToString("n"), CancellationToken.None);
        if (opened.Missing.Count > 0)
        {
            var reporter = new Reporter(api, opened.Id, TimeProvider.System, static (_, _) => { });
            using var background = new CancellationTokenSource();
            var reporting = reporter.RunAsync(background.Token);
            try
            {
                await WorkAsync(cargo, opened, reporter);
            }
            finally
            {
                await background.CancelAsync();
                // A report that was lost shows when the push cannot be committed.
                await reporting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        // 4
        await api.CommitAsync(opened.Id, null, CancellationToken.None);
    }

    private async Task WorkAsync(Cargo cargo, PushOpened opened, Reporter reporter)
    {
        var (paths, grants) = (opened.Missing, opened.Uploads);
        while (true)
        {
            // 2
            var waiting = paths.Where(path => path.State == PathState.Wait).Select(path => path.Path).ToList();
            foreach (var path in paths.Where(path => path.State == PathState.Stored))
                reporter.Add(new PathListing { Path = path.Path, Content = cargo.Nars[path.Path].Listing });
            var named = paths.Where(path => path.State == PathState.Upload).ToLookup(path => path.Upload!, path => path.Path);
            await Parallel.ForEachAsync(grants, new ParallelOptions { MaxDegreeOfParallelism = Uploads }, async (grant, _) =>
            {
                var nar = cargo.Nars[named[grant.Id].First()];
                nar.CountUpload();
                reporter.Add(await UploadAsync(opened.Id, grant, nar));
                foreach (var path in named[grant.Id])
                    reporter.Add(new PathListing { Path = path, Content = nar.Listing });
            });
            foreach (var rejected in await reporter.FlushAsync(CancellationToken.None))
                waiting.AddRange(named[rejected.Upload]);
            // 3
            if (waiting.Count == 0)
                return;
            // As the client does: answers that come at once are not asked for in a loop.
            var pause = Task.Delay(WaitPause);
            var answer = await api.WaitAsync(opened.Id, new WaitRequest { Paths = waiting }, CancellationToken.None);
            (paths, grants) = (answer.Paths, answer.Uploads);
            if (paths.Any(path => path.State == PathState.Wait))
                await pause;
        }
    }

    public async Task<UploadedNar> UploadAsync(string push, UploadGrant grant, Nar nar)
    {
        var bodies = new List<ReadOnlyMemory<byte>> { nar.File };
        if (grant.PartSize is { } size)
            bodies = [.. Enumerable.Range(0, (int)((nar.File.Length + size - 1) / size))
                .Select(i => nar.File.Slice((int)(i * size), (int)Math.Min(size, nar.File.Length - i * size)))];
        var urls = new UploadUrls(api, push, grant, TimeProvider.System);
        await Parallel.ForEachAsync(bodies.Index(), new ParallelOptions { MaxDegreeOfParallelism = Uploads }, async (body, _) =>
        {
            var url = grant.PartSize is null ? grant.Url! : await urls.PartAsync(body.Index + 1, fresh: false, CancellationToken.None);
            await PutAsync(url, grant.Headers, body.Item);
        });
        return new UploadedNar
        {
            Upload = grant.Id,
            FileHash = nar.FileHash,
            FileSize = nar.File.Length,
#pragma warning disable CA5351 // what S3's ETags are made of
            Md5 = grant.Md5 ? [.. bodies.Select(body => Convert.ToHexStringLower(MD5.HashData(body.Span)))] : [],
#pragma warning restore CA5351
        };
    }

    private Task<bool> PutAsync(Uri url, IReadOnlyDictionary<string, string> headers, ReadOnlyMemory<byte> body) =>
        retry.RunAsync("uploading", async cancellationToken =>
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, url) { Content = new ReadOnlyMemoryContent(body) };
        foreach (var (name, value) in headers)
        {
            if (!request.Headers.TryAddWithoutValidation(name, value))
                request.Content.Headers.TryAddWithoutValidation(name, value);
        }

        using var answer = await http.SendAsync(request, cancellationToken);
        await answer.Content.CopyToAsync(Stream.Null, cancellationToken); // or the connection is not used again
        // An attempt whose answer was lost has arrived.
        if (answer.IsSuccessStatusCode || answer.StatusCode == HttpStatusCode.PreconditionFailed)
            return true;
        throw RetryPolicy.IsTransient(answer.StatusCode)
            ? new TransientException($"HTTP {(int)answer.StatusCode}")
            : new BenchException($"an upload was answered with HTTP {(int)answer.StatusCode}");
    }, CancellationToken.None);
}
