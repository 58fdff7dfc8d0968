using System.CommandLine;
using OrleansCache.Cli.Settings;
using OrleansCache.Contracts;
using Xunit;

namespace OrleansCache.Cli.Tests;

public class DurationTests
{
    [Theory]
    [InlineData("0s", 0)]
    [InlineData("90s", 90)]
    [InlineData("15m", 15 * 60)]
    [InlineData("720h", 720 * 3600)]
    [InlineData("30d", 30 * 86400)]
    public void A_duration_is_a_number_and_a_unit(string text, double seconds)
    {
        Assert.True(DurationText.TryParse(text, out var duration, out _));
        Assert.Equal(seconds, duration.TotalSeconds);
        Assert.True(DurationText.TryParse(DurationText.Print(duration), out var again, out _));
        Assert.Equal(duration, again);
    }

    [Theory]
    [InlineData("3600", "write 3600s for seconds")]
    [InlineData("", "90s, 15m, 6h or 30d")]
    [InlineData("h", "90s, 15m, 6h or 30d")]
    [InlineData("-1h", "90s, 15m, 6h or 30d")]
    [InlineData("1.5h", "90s, 15m, 6h or 30d")]
    [InlineData("2w", "90s, 15m, 6h or 30d")]
    [InlineData("6 h", "90s, 15m, 6h or 30d")]
    [InlineData("9999999d", "36500d is the longest")]
    [InlineData("9223372036854775807d", "36500d is the longest")]
    public void What_is_none_is_told_with_what_to_write(string text, string hint)
    {
        var option = Duration.Option("--older-than", "x");

        var error = Assert.Single(new RootCommand { option }.Parse(["--older-than", text]).Errors);

        Assert.StartsWith("--older-than is '", error.Message, StringComparison.Ordinal);
        Assert.Contains(hint, error.Message, StringComparison.Ordinal);
    }
}
