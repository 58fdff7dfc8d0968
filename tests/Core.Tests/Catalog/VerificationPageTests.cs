using System.Globalization;
using System.Text.RegularExpressions;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Catalog;

/// <summary>docs/verification.md says which test stands for which schedule and reading.</summary>
public sealed partial class VerificationPageTests
{
    private const int Schedules = 33;
    private const int Readings = 23;
    private static readonly string[] Page = File.ReadAllLines(Path.Combine(Repository.Root, "docs", "verification.md"));

    [Fact]
    public void Every_test_that_the_page_names_exists()
    {
        var sources = Directory.EnumerateFiles(Path.Combine(Repository.Root, "tests"), "*Tests*.cs", SearchOption.AllDirectories)
            .Select(File.ReadAllText).ToList();
        var named = Rows().SelectMany(r => TestName().Matches(r)).Select(m => (Class: m.Groups[1].Value, Method: m.Groups[2].Value))
            .Distinct().ToList();

        Assert.NotEmpty(named);
        Assert.All(named, n => Assert.Contains(sources, s => Regex.IsMatch(s, $@"\bclass {n.Class}\b")
            && Regex.IsMatch(s, $@"\[\w*(Fact|Theory)\b[^{{]*\b{n.Method}\(")));
    }

    [Fact]
    public void Every_schedule_and_every_reading_has_a_test()
    {
        var numbers = Rows().Select(r => ScheduleNumber().Match(r)).Where(m => m.Success)
            .Select(m => int.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture));
        var readings = Rows().Where(r => !ScheduleNumber().IsMatch(r)).ToList();

        Assert.Equal(Enumerable.Range(1, Schedules), numbers);
        Assert.Equal(Readings, readings.Count);
        Assert.All(Rows(), r => Assert.True(TestName().IsMatch(r) || r.Contains("not yet:", StringComparison.Ordinal), r));
    }

    private static List<string> Rows() =>
        [.. Page.SkipWhile(l => !l.StartsWith("## Schedules", StringComparison.Ordinal))
            .Where(l => l.StartsWith("| ", StringComparison.Ordinal) && !l.Contains("| Test", StringComparison.Ordinal))];

    [GeneratedRegex(@"`(\w+)\.(\w+)`")]
    private static partial Regex TestName();

    [GeneratedRegex(@"^\| (\d+) \|")]
    private static partial Regex ScheduleNumber();
}
