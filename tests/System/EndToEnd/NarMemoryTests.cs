using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>What stock Nix puts passes through the server, in memory that does not grow with it.</summary>
public sealed class NarMemoryTests
{
    private const int MiB = 1 << 20;
    private const int AtOnce = 4;

    [Theory]
    [InlineData("none")]
    [InlineData("zstd")]
    public async Task Twenty_times_as_many_bytes_take_no_more_memory(string compression)
    {
        await using var server = await ServerProcess.StartAsync();
        using var client = new HttpClient { BaseAddress = new Uri(server.Url, "/c/default/"), Timeout = TimeSpan.FromMinutes(5) };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer",
            (await File.ReadAllTextAsync(server.TokenFile)).Trim());

        await PutAllAsync(client, compression, 10);
        var small = server.PeakMemory;
        await PutAllAsync(client, compression, 200);
        var large = server.PeakMemory;

        // A runtime that has seen four bodies at once may still take some; the 800 MB that came it may not.
        Assert.True(large - small < 96L * MiB, $"{small / MiB} MiB at most after 40 MiB, {large / MiB} MiB after 800 MiB more");
    }

    private static Task PutAllAsync(HttpClient client, string compression, int blocks) =>
        Task.WhenAll(Enumerable.Range(0, AtOnce).Select(async _ =>
    {
        using var nar = new RepeatedBlock(compression, blocks);
        using var answer = await client.PutAsync(nar.Url, nar);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
    }));

    /// <summary>
    /// A file of one block of a MiB again and again, which does not compress. Several frames of zstd in a row are one file.
    /// </summary>
    private sealed class RepeatedBlock : HttpContent
    {
        private readonly byte[] _block;
        private readonly int _count;

        public RepeatedBlock(string compression, int count)
        {
            var plain = RandomNumberGenerator.GetBytes(MiB);
            (_block, _count) = (compression == "zstd" ? Zstd.Compress(plain) : plain, count);
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            for (var i = 0; i < count; i++)
                hash.AppendData(_block);
            Url = new Uri($"nar/{Sha256Hash.FromBytes(hash.GetHashAndReset()).ToNix32()}.nar{(compression == "zstd" ? ".zst" : "")}",
                UriKind.Relative);
        }

        public Uri Url { get; }

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            for (var i = 0; i < _count; i++)
                await stream.WriteAsync(_block);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = (long)_block.Length * _count;
            return true;
        }
    }
}
