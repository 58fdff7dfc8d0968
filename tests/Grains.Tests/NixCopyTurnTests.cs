using System.IO.Pipelines;
using System.Security.Cryptography;
using OrleansCache.Contracts;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Grains.Tests;

/// <summary>Several stock Nixes that put one file at once: one of them sends it.</summary>
public sealed class NixCopyTurnTests
{
    private static readonly byte[] Nar = [.. Enumerable.Range(0, 5_000).Select(i => (byte)i)];

    [Fact]
    public async Task Who_puts_a_file_that_is_arriving_elsewhere_sends_nothing_of_it()
    {
        await using var world = await World.CreateAsync();
        var other = await world.AddGatewayAsync();
        var (arriving, unread) = (new Pipe(), new UnreadBody());
        var first = PutAsync(world.Core.NixCopy, arriving.Reader.AsStream());
        await arriving.Writer.WriteAsync(Nar.AsMemory(0, 1_000));
        // The question must have arrived before the next one; no answer says that it has.
        await Task.Delay(TimeSpan.FromMilliseconds(500));
        var second = PutAsync(other.NixCopy, unread);
        await Task.Delay(TimeSpan.FromMilliseconds(500));
        Assert.False(second.IsCompleted);

        await arriving.Writer.WriteAsync(Nar.AsMemory(1_000));
        await arriving.Writer.CompleteAsync();
        await Task.WhenAll(first, second);

        Assert.False(unread.WasRead);
        Assert.Equal(Nar, Assert.Single(world.Store.Objects).Value);
    }

    [Fact]
    public async Task An_upload_that_fails_lets_the_next_one_go_on()
    {
        await using var world = await World.CreateAsync();
        var other = await world.AddGatewayAsync();
        var arriving = new Pipe();
        var first = PutAsync(world.Core.NixCopy, arriving.Reader.AsStream());
        await arriving.Writer.WriteAsync(Nar.AsMemory(0, 1_000));
        await Task.Delay(TimeSpan.FromMilliseconds(500));
        var second = PutAsync(other.NixCopy, new MemoryStream(Nar));

        await arriving.Writer.CompleteAsync();

        Assert.Equal(ProblemKind.BadRequest, (await Assert.ThrowsAsync<CacheProblemException>(() => first)).Kind);
        await second;
        Assert.Equal(Nar, Assert.Single(world.Store.Objects).Value);
    }

    private static Task PutAsync(INixCopy nix, Stream body)
    {
        Assert.True(NarFileName.TryParse(Sha256Hash.FromBytes(SHA256.HashData(Nar)).ToNix32() + ".nar", out var name));
        return nix.ReceiveNarAsync(CacheName.Default, new Caller("nix", "ci", 0), name, body, Nar.Length, CancellationToken.None);
    }

    private sealed class UnreadBody : MemoryStream
    {
        public bool WasRead { get; private set; }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            WasRead = true;
            return ValueTask.FromResult(0);
        }
    }
}
