using OrleansCache.Cli.Common;
using OrleansCache.Cli.Store;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Cli.Tests;

public sealed class LocalStoreTests : IDisposable
{
    private const string Hash = "7hjadjskdkc0yy9c8vszrvnc94lva3a6";
    private const string Aa = "aa9993e364706816aba3e25717850c26c9cd0d89daa9993e364706816aba3e25";
    private const string Dd = "dd9993e364706816aba3e25717850c26c9cd0d89daa9993e364706816aba3e25";

    private readonly string _folder = Directory.CreateTempSubdirectory("cli-tests-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_link_to_a_path_inside_a_store_path_names_the_store_path()
    {
        var result = Path.Combine(_folder, "result");
        File.CreateSymbolicLink(result, $"/nix/store/{Hash}-hello");
        var second = Path.Combine(_folder, "second");
        File.CreateSymbolicLink(second, "./result/bin");

        Assert.Equal($"{Hash}-hello", StoreArgument.Resolve(result).BaseName);
        Assert.Equal($"{Hash}-hello", StoreArgument.Resolve(second + "/hello").BaseName);
        Assert.Equal($"{Hash}-hello", StoreArgument.Resolve($"/nix/store/{Hash}-hello/bin/hello").BaseName);
        Assert.Equal($"{Hash}-hello", StoreArgument.Resolve($"/nix/../nix/store/{Hash}-hello/").BaseName);
    }

    [Fact]
    public void What_does_not_lead_into_the_store_is_refused()
    {
        var loop = Path.Combine(_folder, "loop");
        File.CreateSymbolicLink(loop, "loop");

        Assert.All([_folder, loop, Path.Combine(_folder, "absent"), "/nix/store", "/nix/store/nope"],
            argument => Assert.Equal(ExitCodes.Usage, Assert.Throws<CliException>(() => StoreArgument.Resolve(argument)).ExitCode));
    }

    [Theory]
    [InlineData("0:{\"info\":{},\"version\":2,\"storeDir\":\"/nix/store\"}")]
    [InlineData("1:")]
    public async Task A_nix_that_wants_the_format_named_gets_it(string second)
    {
        // A Nix that refuses '--json' without '--json-format', as 2.34 announces of a later one.
        var nix = Path.Combine(_folder, "nix");
        Script.Write(nix, $"""
            #!/bin/sh
            case "$*" in *--json-format*) printf '%s' '{second[2..]}'; echo "error: no" >&2; exit {second[0]};; esac
            echo "error: '--json' needs '--json-format'" >&2
            exit 1
            """);
        var closure = new LocalStore(nix).ClosureAsync([StorePath.Parse($"{Hash}-x")], CancellationToken.None);

        if (second[0] == '0')
            Assert.Empty(await closure);
        else
            Assert.Contains("error: no", (await Assert.ThrowsAsync<CliException>(() => closure)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_nix_the_message_says_so()
    {
        var error = await Assert.ThrowsAsync<CliException>(() => new LocalStore("/nonexistent/nix")
            .ClosureAsync([StorePath.Parse($"{Hash}-x")], CancellationToken.None));

        Assert.Contains("Is Nix installed", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_compressed_log_is_found_and_read()
    {
        Directory.CreateDirectory(Path.Combine(_folder, Hash[..2]));
        File.Copy(Path.Combine("Fixtures", "log.bz2"), Path.Combine(_folder, Hash[..2], $"{Hash[2..]}-x.drv.bz2"));

        var file = new BuildLogs(_folder).Find(StorePath.Parse($"{Hash}-x.drv"));

        // The sum that sha256sum gave before bzip2: runs of zeros, and the text of a licence.
        Assert.Equal("6238cfe8f12830bab6e8504e4bd5525de84895601bd7d905d86fb3caf148478f", Sha256Hash.Compute(BuildLogs.Read(file!)).ToHex());
    }

    [Fact]
    public void A_damaged_log_is_an_error_and_no_crash()
    {
        var bytes = File.ReadAllBytes(Path.Combine("Fixtures", "log.bz2"));
        for (var at = 0; at < bytes.Length; at += 97)
        {
            var damaged = bytes.ToArray();
            damaged[at] ^= 0x55;
            Assert.Throws<InvalidDataException>(() => Read(damaged, 1 << 20));
        }

        Assert.Throws<InvalidDataException>(() => Read(bytes[..^1], 1 << 20));
        Assert.Throws<InvalidDataException>(() => Read(bytes, 100_000));

        static byte[] Read(byte[] compressed, int maxBytes)
        {
            using var text = new Bzip2DecompressStream(new MemoryStream(compressed));
            return BuildLogs.Read(text, maxBytes);
        }
    }

    [Fact]
    public void Realisations_of_both_kinds_are_found_by_their_output()
    {
        var database = Path.Combine(_folder, "db.sqlite");
        using (var sqlite = Sqlite.Create(database))
        {
            foreach (var statement in new[]
            {
                "create table ValidPaths (id integer primary key, path text)",
                "create table Realisations (id integer primary key, drvPath text, outputName text, outputPath integer, signatures text)",
                "create table RealisationsRefs (referrer integer, realisationReference integer)",
                "create table BuildTraceV3 (id integer primary key, drvPath text, outputName text, outputPath text, signatures text)",
                $"insert into ValidPaths values (1, '/nix/store/{Hash}-out'), (2, '/nix/store/{Hash}-dep')",
                $"insert into Realisations values (1, 'sha256:{Dd}', 'out', 2, ''), (2, 'sha256:{Aa}', 'out', 1, 'k:sig')",
                "insert into RealisationsRefs values (2, 1)",
                $"insert into BuildTraceV3 values (1, '{Hash}-x.drv', 'out', '/nix/store/{Hash}-out', '')",
            })
            {
                Assert.NotNull(sqlite.Query(statement));
            }
        }

        var output = new PathInfo
        {
            Path = StorePath.Parse($"{Hash}-out"),
            NarHash = default,
            NarSize = 1,
            References = [],
            Ca = "fixed:r:sha256:x",
            Deriver = StorePath.Parse($"{Hash}-x.drv")
        };
        var found = new Realisations(database).Find(new Dictionary<StorePathHash, PathInfo> { [output.Path.Hash] = output },
            out var warning);

        Assert.Null(warning);
        Assert.Equal([$"sha256:{Aa}!out", $"{Hash}-x.drv^out"], found.Select(realisation => realisation.Id.ToString()));
        // As 'nix copy' writes it into a binary cache.
        Assert.Equal(
            $$"""{"dependentRealisations":{"sha256:{{Dd}}!out":"{{Hash}}-dep"},"id":"sha256:{{Aa}}!out","outPath":"{{Hash}}-out","signatures":["k:sig"]}""", found[0].Json);
        Assert.Equal($$"""{"outPath":"{{Hash}}-out","signatures":[]}""", found[1].Json);
    }

    [Fact]
    public async Task A_database_without_its_log_is_read_where_nobody_may_write()
    {
        using var folder = new TempFolder();
        Directory.CreateDirectory(folder["db"]);
        using (var sqlite = Sqlite.Create(folder["db/db.sqlite"]))
        {
            Assert.NotNull(sqlite.Query("pragma journal_mode = wal"));
            Assert.NotNull(sqlite.Query("create table ValidPaths (id integer primary key, path text)"));
        }

        Assert.False(File.Exists(folder["db/db.sqlite-wal"]));
        var doctor = await Surroundings.Client.ShellAsync($$"""
            chmod 755 {{folder}} {{folder}}/db; chmod 644 {{folder}}/db/*; mkdir {{folder}}/program; from=$(dirname "$CLIENT")
            cp "$from"/orleans-cache* {{folder}}/program; cp "$from"/OrleansCache.{Nix,Contracts}.dll "$from"/System.CommandLine.dll {{folder}}/program 2>/dev/null; chmod -R a+rX {{folder}}/program
            [ $(id -u) != 0 ] || as="setpriv --reuid=65534 --regid=65534 --clear-groups"; [ $(id -u) = 0 ] || chmod 555 {{folder}}/db
            NIX_STATE_DIR={{folder}} $as {{folder}}/program/orleans-cache doctor --url http://127.0.0.1:9
            """);

        Assert.Contains($"ok       realisations    {folder["db/db.sqlite"]} can be read", doctor.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_error_of_the_database_is_told_and_is_not_none()
    {
        var database = Path.Combine(_folder, "db.sqlite");
        await File.WriteAllTextAsync(database, new string('x', 10_000));
        var output = new PathInfo
        {
            Path = StorePath.Parse($"{Hash}-out"),
            NarHash = default,
            NarSize = 1,
            References = [],
            Ca = "fixed:r:sha256:x",
            Deriver = StorePath.Parse($"{Hash}-x.drv")
        };

        Assert.Empty(new Realisations(database).Find(new Dictionary<StorePathHash, PathInfo> { [output.Path.Hash] = output },
            out var warning));
        Assert.Contains("file is not a database", warning, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_the_database_there_is_a_warning_only_when_it_matters()
    {
        var plain = new PathInfo { Path = StorePath.Parse($"{Hash}-out"), NarHash = default, NarSize = 1, References = [] };
        var addressed = plain with { Ca = "fixed:r:sha256:x", Deriver = StorePath.Parse($"{Hash}-x.drv") };
        var realisations = new Realisations(Path.Combine(_folder, "absent"));

        Assert.Empty(realisations.Find(new Dictionary<StorePathHash, PathInfo> { [plain.Path.Hash] = plain }, out var none));
        Assert.Empty(realisations.Find(new Dictionary<StorePathHash, PathInfo> { [plain.Path.Hash] = addressed }, out var warning));
        Assert.Null(none);
        Assert.NotNull(warning);
    }
}
