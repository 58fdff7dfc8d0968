using System.Text;

namespace OrleansCache.Nix.Tests;

/// <summary>What is found in a NAR as its bytes go by.</summary>
public sealed class NarExaminationTests
{
    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task Pieces_of_any_size_give_what_hash_reader_and_listing_give(int seed)
    {
        var random = new Random(seed);
        var nar = Tree.RandomFolder(random, 3).ToNar();
        var listing = await NarListing.FromNarAsync(new MemoryStream(nar));
        var most = new[] { 2, 9, 100, 5000, 300_000 }[seed % 5];

        var findings = Examining.InPieces(nar, _ => random.Next(1, most), []);

        Assert.Equal(Sha256Hash.Compute(nar), findings.NarHash);
        Assert.Equal(nar.Length, findings.NarSize);
        Assert.Null(findings.Malformed);
        Assert.Empty(findings.ContentAddresses);
        Assert.Equal(listing.IsExact ? listing.ToString() : null, findings.Listing?.ToString());
        Assert.Equal(listing.IsExact ? listing.Summary : null, findings.Listing?.Summary);
    }

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 60)];

    [Theory]
    [MemberData(nameof(Malformed))]
    public void A_malformed_nar_is_told_with_its_position_and_has_hash_and_size(string said, byte[] nar)
    {
        foreach (var size in new[] { 1, 1000 })
        {
            var findings = Examining.InPieces(nar, _ => size, []);

            Assert.Contains(said, findings.Malformed, StringComparison.Ordinal);
            Assert.Null(findings.Listing);
            Assert.Equal(Sha256Hash.Compute(nar), findings.NarHash);
            Assert.Equal(nar.Length, findings.NarSize);
        }
    }

    public static TheoryData<string, byte[]> Malformed()
    {
        var file = new Tree.Regular("x"u8.ToArray(), false);
        var good = file.ToNar();
        Tree deep = file;
        for (var n = 0; n < NarFormat.NixMaxDepth; n++)
            deep = new Tree.Folder([("d"u8.ToArray(), deep)]);
        return new()
        {
            { "ends at byte 0", [] },
            { $"ends at byte {good.Length - 1}", good[..^1] },
            { $"at byte {good.Length} there is bytes follow", [.. good, 0] },
            { "at byte 320 there is the name 'a' out of order", Folder("b", "a") },
            { "at byte 320 there is the name 'a' twice", Folder("a", "a") },
            { "at byte 56 there is 'contents'", NarText.Of("(", "type", "contents", "regular") },
            { "more than 64 levels", deep.ToNar() },
            { "a string of 1025 bytes", Folder("a", new string('b', 1025)) },
            { "a string of 9223372036854775807 bytes", [.. NarText.Of("(", "type"), .. BitConverter.GetBytes(long.MaxValue)] },
        };

        byte[] Folder(string first, string second) =>
            new Tree.Folder([(Encoding.ASCII.GetBytes(first), new Tree.Link([1])), (Encoding.ASCII.GetBytes(second), file)]).ToNar();
    }

    [Fact]
    public void A_malformed_nar_is_scanned_to_its_end()
    {
        var hash = Examining.RandomHash(new Random(1));
        var findings = Examining.Whole(Encoding.ASCII.GetBytes($"no NAR at all, {hash} in it"), []);

        Assert.NotNull(findings.Malformed);
        Assert.Equal([hash], findings.Occurring);
    }

    [Fact]
    public void A_listing_that_is_not_exact_is_dropped()
    {
        var file = new Tree.Regular([], false);
        Tree[] inexact =
        [
            new Tree.Folder([([0xe9], file)]), new Tree.Folder([("l"u8.ToArray(), new Tree.Link([0xe9]))]), new Tree.Link([0xe9]),
            new Tree.Folder([("\uFFFD"u8.ToArray(), file)]),
        ];

        Assert.All(inexact, tree => Assert.Null(Examining.Whole(tree.ToNar(), []).Listing));
        Assert.All(inexact, tree => Assert.Null(Examining.Whole(tree.ToNar(), []).Malformed));
        Assert.NotNull(Examining.Whole(new Tree.Folder([("é\""u8.ToArray(), new Tree.Link("é"u8.ToArray()))]).ToNar(), []).Listing);
    }

    [Fact]
    public void A_listing_beyond_its_limit_is_dropped_and_holds_no_memory()
    {
        const int Entries = 100_000;
        var link = new Tree.Link("t"u8.ToArray());
        var nar = new Tree.Folder([.. Enumerable.Range(0, Entries).Select(n => (Encoding.ASCII.GetBytes($"{n:d9}"), (Tree)link))]).ToNar();

        Assert.InRange(Build(long.MaxValue, out _)!.Json.Length, Entries * 40, Entries * 50);
        Assert.Null(Build(Entries, out var allocated));
        Assert.InRange(allocated, 0, Entries * 4);

        NarListing? Build(long maxSize, out long allocated)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            var listing = new BoundedListing(maxSize);
            var reader = new NarReader(listing);
            reader.Feed(nar);
            var built = listing.Build(reader.Complete());
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            return built;
        }
    }

    [Fact]
    public void Contents_go_by_without_allocations()
    {
        var random = new Random(3);
        var self = Examining.RandomHash(random);
        var contents = new byte[3_000_000];
        random.NextBytes(contents);
        Encoding.ASCII.GetBytes(self.ToString()).CopyTo(contents, 10);
        var nar = Examining.FileNar(contents);
        using var examination = new NarExamination([self], [(self, ContentAddress.Parse("fixed:r:md5:4425hx5d1mc9y39llj4k4nm55i"))]);
        examination.Append(nar.AsSpan(0, 1_000_000));

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var at = 1_000_000; at < nar.Length; at += 1000)
            examination.Append(nar.AsSpan(at, Math.Min(1000, nar.Length - at)));

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.Null(examination.Finish().Malformed);
    }

    [Fact]
    public void An_examination_ends_once()
    {
        using var examination = new NarExamination([], []);
        examination.Finish();

        Assert.Throws<ObjectDisposedException>(() => examination.Append([1]));
        Assert.Throws<ObjectDisposedException>(() => examination.Finish());
    }
}
