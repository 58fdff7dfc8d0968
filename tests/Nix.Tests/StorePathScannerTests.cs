using System.Text;

namespace OrleansCache.Nix.Tests;

/// <summary>Which store path hashes occur in a NAR.</summary>
public sealed class StorePathScannerTests
{
    private static readonly Random Random = new(4);
    private static readonly StorePathHash Expected = Examining.RandomHash(Random);

    [Theory]
    [InlineData(31, false, false)]
    [InlineData(32, true, false)]
    [InlineData(33, false, true)]
    [InlineData(64, false, true)]
    public void A_run_of_32_characters_is_a_candidate_and_a_longer_one_makes_it_partial(int length, bool isCandidate, bool isPartial)
    {
        var run = Examining.RandomRun(Random, length);

        var findings = Examining.Whole(Examining.FileNar($"-{run}/"), []);

        Assert.Equal(isCandidate ? [StorePathHash.Parse(run)] : [], findings.Occurring);
        Assert.Equal(isPartial, findings.IsPartial);
    }

    [Fact]
    public void Each_character_of_nix32_is_part_of_a_run_and_no_other_byte_is()
    {
        for (var value = 0; value < 256; value++)
        {
            var contents = Encoding.Latin1.GetBytes($"-{new string('a', 16)}{(char)value}{new string('b', 15)}-");
            var isCharacter = Examining.Characters.Contains((char)value, StringComparison.Ordinal);
            Assert.Equal(isCharacter ? 1 : 0, Examining.Whole(Examining.FileNar(contents), []).Occurring.Length);
        }
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 0)]
    [InlineData(0, 1)]
    [InlineData(70, 90)]
    public void An_expected_hash_occurs_however_it_is_surrounded(int before, int after)
    {
        var contents = $"-{Examining.RandomRun(Random, before)}{Expected}{Examining.RandomRun(Random, after)}-";

        Assert.Equal([Expected], Examining.Whole(Examining.FileNar(contents), [Expected, Examining.RandomHash(Random)]).Occurring);
    }

    [Fact]
    public void A_hash_in_a_name_a_link_or_across_any_two_pieces_occurs()
    {
        var other = Examining.RandomHash(Random);
        var link = new Tree.Link(Encoding.ASCII.GetBytes($"/nix/store/{other}-n"));
        var nar = new Tree.Folder([(Encoding.ASCII.GetBytes($"x-{Expected}"), link)]).ToNar();

        for (var first = 0; first <= nar.Length; first++)
        {
            var findings = Examining.InPieces(nar, at => at == 0 ? Math.Max(1, first) : int.MaxValue, [Expected]);
            Assert.Equal(new[] { Expected, other }.Order(), findings.Occurring);
        }
    }

    [Fact]
    public void A_run_is_delimited_by_the_ends_of_the_bytes_too()
    {
        foreach (var text in new[] { $"{Expected}", $"{Expected}-", $"-{Expected}" })
        {
            var scanner = new StorePathScanner([], []);
            scanner.Scan(Encoding.ASCII.GetBytes(text));
            Assert.Equal([Expected], scanner.Finish());
            Assert.False(scanner.IsPartial);
        }
    }

    [Fact]
    public void Beyond_4096_candidates_only_expected_hashes_are_found()
    {
        var candidates = Enumerable.Range(0, StorePathScanner.MaxCandidates).Select(_ => Examining.RandomRun(Random, 32)).ToArray();
        var most = string.Join(' ', candidates);
        var again = $"{most} {candidates[7]} ";

        var all = Examining.Whole(Examining.FileNar(again), [Expected]);
        Assert.Equal(candidates.Length, all.Occurring.Length);
        Assert.False(all.IsPartial);

        var more = Examining.Whole(Examining.FileNar($"{again}{Examining.RandomRun(Random, 32)} {Expected}"), [Expected]);
        Assert.Equal(all.Occurring.Append(Expected).Order(), more.Occurring);
        Assert.True(more.IsPartial);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void What_occurs_is_what_a_look_at_every_position_finds(int seed)
    {
        var random = new Random(seed);
        var expected = Enumerable.Range(0, 20).Select(_ => Examining.RandomHash(random)).ToArray();
        var contents = new StringBuilder();
        for (var n = random.Next(300); n > 0; n--)
        {
            contents.Append(random.Next(4) switch
            {
                0 => expected[random.Next(15)].ToString(),
                1 => Examining.RandomRun(random, random.Next(28, 70)),
                2 => Examining.RandomRun(random, random.Next(1, 32)),
                _ => new string((char)random.Next(256), random.Next(1, 40)),
            });
        }

        var nar = Examining.FileNar(contents.ToString());
        var occurring = Examining.Occurring(nar, expected, out var isPartial);

        foreach (var most in new[] { 2, 10, 40, 200, 100_000 })
        {
            var findings = Examining.InPieces(nar, _ => random.Next(1, most), expected);
            Assert.Equal(occurring, findings.Occurring);
            Assert.Equal(isPartial, findings.IsPartial);
        }
    }

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 40)];
}
