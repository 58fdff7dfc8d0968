using System.Net;
using System.Net.Sockets;
using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.S3;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Store.S3;

public sealed class S3BesideTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public async Task Two_places_at_one_server_have_one_limit_of_requests()
    {
        // A server that takes requests and answers none.
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var taken = new List<TcpClient>();
        _ = TakeAsync();
        using var gone = new CancellationTokenSource();
        using var store = new S3ObjectStore(new S3Options
        {
            Bucket = "main",
            Endpoint = new Uri($"http://{listener.LocalEndpoint}"),
            AccessKey = "x",
            SecretKey = "y",
            MaxConnections = 2,
        });
        using var beside = await store.OpenBesideAsync("main", "c/team/", None);

        // Each store has connections of its own for these.
        var puts = new[] { store, beside, beside, store }.Select(s => s.PutAsync(ObjectKey.NixCacheInfo, new byte[1],
            KeyHeaders.For(ObjectKey.NixCacheInfo), DateTimeOffset.UtcNow + TimeSpan.FromMinutes(1), gone.Token)).ToList();
        await Eventually.BecomesTrueAsync(() => Task.FromResult(Count() >= 2));
        await Task.Delay(500);

        Assert.Equal(2, Count());
        await gone.CancelAsync();
        foreach (var put in puts)
            await Record.ExceptionAsync(() => put);
        listener.Stop();
        lock (taken)
            taken.ForEach(c => c.Dispose());

        int Count()
        {
            lock (taken)
                return taken.Count;
        }

        async Task TakeAsync()
        {
            while (true)
            {
                var client = await listener.AcceptTcpClientAsync();
                lock (taken)
                    taken.Add(client);
            }
        }
    }
}
