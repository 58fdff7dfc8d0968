using System.Text;
using System.Text.Json.Nodes;

namespace OrleansCache.Nix.Tests;

public sealed class NarTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task A_random_tree_extracts_and_writes_back_to_the_same_bytes(int seed)
    {
        var random = new Random(seed);
        var nar = Tree.Random(random).ToNar();
        var target = _folder.Child("tree");

        var read = await NarExtractor.ExtractAsync(new SlowStream(nar, random, 400), target);
        using var written = new MemoryStream();
        var summary = NarWriter.Write(target, written);

        Assert.Equal(nar, written.ToArray());
        Assert.Equal(read, summary);
        Assert.Equal(nar.Length, summary.NarSize);
        Assert.Equal(nar.Length, NarWriter.Measure(target));
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task A_listing_from_the_file_system_is_the_listing_of_the_nar(int seed)
    {
        var random = new Random(seed);
        var nar = Tree.RandomFolder(random, 4).ToNar();
        var target = _folder.Child("tree");
        await NarExtractor.ExtractAsync(new MemoryStream(nar), target);

        var fromFiles = NarListing.FromFileSystem(target);
        var fromNar = await NarListing.FromNarAsync(new SlowStream(nar, random));

        Assert.Equal(fromNar.ToString(), fromFiles.ToString());
        Assert.Equal(fromNar.Summary, fromFiles.Summary);
        var besides = new NarListingBuilder();
        Assert.Equal(fromNar.ToString(), besides.Build(NarWriter.Write(target, Stream.Null, handler: besides)).ToString());
        Assert.NotNull(JsonNode.Parse(fromFiles.Json)!["root"]!["entries"]);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Every_cut_nar_is_refused(int seed)
    {
        var random = new Random(seed);
        var nar = Tree.RandomFolder(random, 2).ToNar();
        for (var n = 0; n < 40; n++)
        {
            var reader = new NarReader();
            reader.Feed(nar.AsSpan(0, random.Next(nar.Length)));
            Assert.Throws<InvalidDataException>(() => reader.Complete());
        }
    }

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 60)];

    public static TheoryData<string, string[]> Malformed => new()
    {
        { "nix-archive-1", ["(", "type", "regular", "contents", "x", ")", "more"] },
        { "'type'", ["(", "tipe"] },
        { "'directory'", ["(", "type", "socket"] },
        { "'('", ["[", "type"] },
        { "'contents'", ["(", "type", "regular", ")"] },
        { "'contents'", ["(", "type", "regular", "executable", "", "executable"] },
        { "where '' is expected", ["(", "type", "regular", "executable", "1"] },
        { "')'", ["(", "type", "regular", "contents", "x", "contents"] },
        { "target is empty", ["(", "type", "symlink", "target", ""] },
        { "has a NUL", ["(", "type", "symlink", "target", "a\0b"] },
        { "'name'", ["(", "type", "directory", "entry", "(", "node"] },
        { "'node'", ["(", "type", "directory", "entry", "(", "name", "a", "name"] },
        { "no file can have", ["(", "type", "directory", "entry", "(", "name", ""] },
        { "no file can have", ["(", "type", "directory", "entry", "(", "name", "."] },
        { "no file can have", ["(", "type", "directory", "entry", "(", "name", ".."] },
        { "no file can have", ["(", "type", "directory", "entry", "(", "name", "a/b"] },
        { "no file can have", ["(", "type", "directory", "entry", "(", "name", "a\0"] },
        { "twice", Entries("a", "a") },
        { "out of order", Entries("b", "a") },
        { "out of order", Entries("a", "B") },
        { "at most 16", ["(", "type", "a keyword that is too long to be one"] },
        { "at most 1024", ["(", "type", "directory", "entry", "(", "name", new string('n', 1025)] },
        { "at most 65536", ["(", "type", "symlink", "target", new string('t', 65537)] },
    };

    [Theory]
    [MemberData(nameof(Malformed))]
    public void A_malformed_nar_is_refused_however_it_is_fed(string said, string[] words)
    {
        ArgumentNullException.ThrowIfNull(words);
        var nar = NarText.Of(words);

        var whole = Assert.Throws<InvalidDataException>(() => new NarReader().Feed(nar));
        var bits = Assert.Throws<InvalidDataException>(() =>
        {
            var reader = new NarReader();
            foreach (var one in nar)
                reader.Feed([one]);
        });

        if (said != "nix-archive-1")
            Assert.Contains(said, whole.Message, StringComparison.Ordinal);
        Assert.Equal(whole.Message, bits.Message);
    }

    [Fact]
    public void Padding_that_is_not_zero_is_refused()
    {
        var nar = NarText.Of("(", "type", "regular", "contents", "x", ")");
        var contents = nar.Length - 16 - 8;
        Assert.Equal((byte)'x', nar[contents]);
        foreach (var at in new[] { contents + 1, contents + 7, nar.Length - 1, 8 + 15 })
        {
            var bad = (byte[])nar.Clone();
            bad[at] = 1;
            Assert.Contains("padding", Assert.Throws<InvalidDataException>(() => new NarReader().Feed(bad)).Message,
                StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_file_of_an_impossible_size_is_refused()
    {
        var nar = NarText.Of("(", "type", "regular", "contents");
        var reader = new NarReader();
        reader.Feed(nar);
        Assert.Throws<InvalidDataException>(() => reader.Feed(BitConverter.GetBytes(-1L)));
    }

    [Fact]
    public async Task Depth_is_counted_and_limited_as_nix_does()
    {
        var tree = Nested(NarFormat.NixMaxDepth);

        var summary = await NarReader.ReadAsync(new MemoryStream(tree.ToNar()));
        Assert.Equal(64, summary.MaxDepth);
        Assert.False(summary.IsTooDeepForNix);

        var deeper = Nested(NarFormat.NixMaxDepth + 1).ToNar();
        await Assert.ThrowsAsync<InvalidDataException>(() => NarReader.ReadAsync(new MemoryStream(deeper)));
    }

    [Fact]
    public async Task A_tree_of_three_thousand_levels_is_written_and_read()
    {
        var nar = Nested(3000).ToNar();
        var target = _folder.Child("deep");
        await NarExtractor.ExtractAsync(new MemoryStream(nar), target, new NarExtractOptions { MaxDepth = 3000 });

        using var written = new MemoryStream();
        var summary = NarWriter.Write(target, written);

        Assert.Equal(nar, written.ToArray());
        Assert.Equal(3000, summary.MaxDepth);
        Assert.True(summary.IsTooDeepForNix);
        Assert.Equal(summary, NarListing.FromFileSystem(target).Summary);
    }

    [Fact]
    public void A_file_that_grows_or_shrinks_while_it_is_read_is_an_error()
    {
        var folder = Directory.CreateDirectory(_folder.Child("d")).FullName;
        foreach (var change in new[] { 400_000, 700_000 })
        {
            File.WriteAllBytes(Path.Combine(folder, "changes"), new byte[600_000]);
            using var sink = new CallbackStream(() => SetLength(Path.Combine(folder, "changes"), change));
            var error = Assert.Throws<IOException>(() => NarWriter.Write(folder, sink));
            Assert.Contains("'changes' changed while it was read", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_nar_that_leaves_the_reserve_free_is_one_write()
    {
        const int Buffer = 1 << 20;
        var file = _folder.Child("f");
        File.WriteAllBytes(file, []);
        File.WriteAllBytes(file, new byte[Buffer - NarWriter.BufferReserve - NarWriter.Measure(file)]);
        using var sink = new CallbackStream(() => { });

        NarWriter.Write(file, sink, new NarWriteOptions { BufferSize = Buffer });

        Assert.Equal(1, sink.Writes);
    }

    [Fact]
    public void What_is_no_file_directory_or_link_is_an_error_that_says_where()
    {
        Directory.CreateDirectory(_folder.Child("a/b"));
        System.Diagnostics.Process.Start("mkfifo", [_folder.Child("a/b/pipe")]).WaitForExit();

        var error = Assert.Throws<IOException>(() => NarWriter.Write(_folder.Path, Stream.Null));

        Assert.Contains("'pipe' is neither", error.Message, StringComparison.Ordinal);
        Assert.Contains($"{_folder.Path}/a/b", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_path_is_an_error_that_names_it() =>
        Assert.Contains("nothing-here", Assert.Throws<IOException>(() => NarWriter.Measure(_folder.Child("nothing-here"))).Message,
            StringComparison.Ordinal);

    [Fact]
    public async Task A_cancelled_write_ends_in_the_middle_of_a_file()
    {
        File.WriteAllBytes(_folder.Child("large"), new byte[3_000_000]);
        using var cancellation = new CancellationTokenSource();
        using var sink = new CallbackStream(cancellation.Cancel);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            NarWriter.WriteAsync(_folder.Path, sink, cancellationToken: cancellation.Token));
    }

    [Fact]
    public async Task Extraction_does_not_replace_what_exists()
    {
        File.WriteAllText(_folder.Child("there"), "kept");
        var nar = new Tree.Regular([1], false).ToNar();

        await Assert.ThrowsAsync<IOException>(() => NarExtractor.ExtractAsync(new MemoryStream(nar), _folder.Child("there")));

        Assert.Equal("kept", File.ReadAllText(_folder.Child("there")));
    }

    [Fact]
    public async Task The_case_hack_keeps_names_apart_and_is_undone_on_writing()
    {
        var file = new Tree.Regular([1], false);
        var nar = new Tree.Folder([("README"u8.ToArray(), file), ("Readme"u8.ToArray(), file), ("readme"u8.ToArray(), file)]).ToNar();
        var target = _folder.Child("hacked");
        await NarExtractor.ExtractAsync(new MemoryStream(nar), target, new NarExtractOptions { CaseHack = true });

        Assert.Equal(
            ["README", "Readme~nix~case~hack~1", "readme~nix~case~hack~2"],
            Directory.GetFiles(target).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        using var written = new MemoryStream();
        NarWriter.Write(target, written, new NarWriteOptions { CaseHack = true });
        Assert.Equal(nar, written.ToArray());
    }

    [Fact]
    public void A_listing_of_names_that_are_not_utf8_is_valid_json_and_says_that_it_is_not_exact()
    {
        var builder = new NarListingBuilder();
        var file = new Tree.Regular("x"u8.ToArray(), true);
        var inner = new Tree.Folder([("f"u8.ToArray(), file)]);
        var reader = new NarReader(builder);
        reader.Feed(new Tree.Folder([("a"u8.ToArray(), file), ([0xe9], inner), ([0xea], inner), ([0xeb], file)]).ToNar());
        var listing = builder.Build(reader.Complete());

        Assert.False(listing.IsExact);
        var entries = JsonNode.Parse(listing.Json)!["root"]!["entries"]!.AsObject();
        Assert.Equal(["a", "\uFFFD"], entries.Select(entry => entry.Key));
        Assert.Equal("directory", (string?)entries["\uFFFD"]!["type"]);
    }

    private static string[] Entries(string first, string second) =>
    [
        "(", "type", "directory", "entry", "(", "name", first, "node", "(", "type", "symlink", "target", "t", ")", ")", "entry", "(",
            "name", second,
    ];

    private static Tree Nested(int levels)
    {
        Tree tree = new Tree.Regular(Encoding.ASCII.GetBytes("bottom"), false);
        for (var n = 1; n < levels; n++)
            tree = new Tree.Folder([("d"u8.ToArray(), tree)]);
        return tree;
    }

    private static void SetLength(string path, long length)
    {
        using var file = File.OpenWrite(path);
        file.SetLength(length);
    }

    /// <summary>Does something at the first write: the file is then half read.</summary>
    private sealed class CallbackStream(Action atFirstWrite) : WriteOnlyStream
    {
        private Action? _callback = atFirstWrite;

        public int Writes { get; private set; }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            Writes++;
            _callback?.Invoke();
            _callback = null;
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            throw new NotSupportedException();

        public override void Flush()
        {
        }
    }
}
